/** Shows how the server is, and asks again as long as anybody looks. */

const ASK_MS = 3000;
const WORDS = { ready: "ready", unavailable: "cannot serve right now", away: "does not answer" };

const health = document.getElementById("health");
const details = document.getElementById("details");

async function asked() {
  try {
    const answer = await fetch("/readyz", { cache: "no-store" });
    const { status, details } = await answer.json();
    return { status, details: details ?? {} };
  } catch {
    return { status: "away", details: {} };
  }
}

function show({ status, details: told }) {
  if (health.dataset.state !== status) {
    health.dataset.state = status;
    health.textContent = WORDS[status] ?? status;
  }
  const lines = Object.entries(told).map(([name, value]) => {
    const line = document.createElement("li");
    const [, words, ms] = name.match(/^(?:x-syncline-)?(.*?)(-ms)?$/);
    line.textContent = `${words.replaceAll("-", " ")}: ${value}${ms ? " ms" : ""}`;
    return line;
  });
  details.replaceChildren(...lines);
}

async function watch() {
  if (document.visibilityState === "visible") show(await asked());
  setTimeout(watch, ASK_MS);
}

void watch();
