"""What an app writes is on its device at once, and with the server and all other devices soon."""

from clients.typescript.conftest import Wire
from clients.typescript.device import Device


async def test_what_one_app_writes_another_shows(device: Device, wire: Wire):
    await device.run("open('one', options); open('two', options)", options=wire.options())
    item = await device.run(
        """
        const written = apps.one.todo.create({ title: 'Milk', done: false });
        const item = await written;
        await written.synced;
        await until(() => apps.two.todo.get(item.id), 'two');
        return item;
        """
    )
    assert item["title"] == "Milk"
    assert await device.run("return shown('two')") == {f"todo/{item['id']}": {"title": "Milk", "done": False}}
    assert await wire.stored() == {f"todo/{item['id']}": {"title": "Milk", "done": False}}
