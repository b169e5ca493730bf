"""What the help of each command says: all that can be set, and how."""

import re
from collections.abc import Iterator

import pytest

from syncline_bridge.settings import BridgeSettings
from syncline_command import options
from syncline_command.parsing import Command
from syncline_command.table import ENTRIES
from syncline_server.settings import ServerSettings
from system.processes import Commands


def commands_of_table() -> Iterator[tuple[str, Command]]:
    for name, entry in ENTRIES.items():
        found = entry.load()
        if isinstance(found, Command):
            yield name, found
        else:
            yield from ((f"{name} {member}", command) for member, command in found.items())


TABLE = dict(commands_of_table())
OF_SERVE = {"http_address", "no_http"}
OF_PARTS = {"workers", "grpc_target", "grpc_tls_ca", "grpc_tls_certificate", "grpc_tls_key", "relay_socket"}
SETTINGS = {
    "server": ServerSettings.model_fields.keys() - OF_SERVE,
    "bridge": BridgeSettings.model_fields.keys(),
    "serve": (ServerSettings.model_fields.keys() | BridgeSettings.model_fields.keys()) - OF_PARTS,
}


def test_nothing_but_processes_has_all_the_settings():
    assert SETTINGS.keys() <= TABLE.keys()


@pytest.mark.parametrize("command", TABLE)
async def test_help_says_what_it_is_for_with_examples(commands: Commands, command: str):
    ended = await commands.run(*command.split(), "--help")
    assert ended.code == 0, str(ended)
    assert ended.out.startswith(f"usage: syncline {command}")
    examples = ended.out.partition("examples:\n")[2].splitlines()
    assert examples
    assert all(f"syncline {command}" in example for example in examples)


@pytest.mark.parametrize("command", SETTINGS)
async def test_every_setting_is_an_option_and_named_with_its_variable_and_default(commands: Commands, command: str):
    ended = await commands.run(command, "--help")
    words = " ".join(ended.out.split())
    for name in SETTINGS[command]:
        fields = ServerSettings.model_fields if name in ServerSettings.model_fields else BridgeSettings.model_fields
        default = fields[name].default
        assert re.search(rf"--{name.replace('_', '-')}[ ,]", words), name
        assert f"[env: SYNCLINE_{name.upper()}" in words
        if default not in (None, ()):
            shown = str(default).lower() if isinstance(default, bool) else default
            assert f"SYNCLINE_{name.upper()}; default: {shown}]" in words


async def test_all_commands_are_listed_with_what_they_do(commands: Commands):
    shown = await commands.run("--help")
    for name, entry in ENTRIES.items():
        assert re.search(rf"^ +{name} +{re.escape(entry.about)}$", shown.out, re.MULTILINE), shown.out
        found = entry.load()
        if isinstance(found, Command):
            # Said in two places, so that a list of commands loads none of them.
            assert found.about.startswith(entry.about.rstrip("."))
    assert (await commands.run()).out == shown.out


async def test_a_group_lists_its_commands(commands: Commands):
    shown = await commands.run("project", "--help")
    assert (await commands.run("project")).out == shown.out
    assert re.search(r"^ +create +Make a project and print its keys, this once\.$", shown.out, re.MULTILINE)


async def test_the_version_is_that_of_the_package(commands: Commands):
    ended = await commands.run("--version")
    assert re.fullmatch(r"syncline \d+\.\d+\.\d+\n", ended.out), str(ended)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("versoin",), "there is no command 'versoin'"),
        (("tial", "--follow"), "did you mean 'tail'?"),
        (("project", "lst"), "did you mean 'list'?"),
        (("--follow",), "--follow"),
        (("token", "--usr", "ada"), "--project"),
        (("server", "--max-data-bytes", "none"), "--max-data-bytes"),
        (("server", "--metrics-address", "9100"), "--metrics-address: has to be HOST:PORT"),
        (("serve", "--max-body-bytes", "0"), "--max-body-bytes"),
    ],
)
async def test_what_is_misspelled_is_said_in_one_line_that_names_the_help(
    commands: Commands, arguments: tuple[str, ...], words: str
):
    ended = await commands.run(*arguments)
    assert ended.code == 2, str(ended)
    assert words in ended.err
    assert ended.err.count("\n") == 1
    assert "--help`" in ended.err


async def test_a_variable_that_does_not_fit_is_named_as_one(commands: Commands):
    ended = await commands.run("server", SYNCLINE_WORKERS="many")
    assert ended.code == 2, str(ended)
    assert "SYNCLINE_WORKERS" in ended.err


def test_commands_that_run_nothing_have_the_same_defaults():
    assert ServerSettings.model_fields["data_dir"].default.name == options.DATA_DIR
    assert ServerSettings.model_fields["grpc_address"].default == options.GRPC_ADDRESS
    assert BridgeSettings.model_fields["http_address"].default == options.HTTP_ADDRESS
