// The page's line to its server: one WebSocket for deltas, plain requests for everything else. All on the page's own origin.

const FIRST_WAIT_MS = 400;
const LONGEST_WAIT_MS = 8000;

/** A failed request: what was asked and what the server said. */
export class RequestError extends Error {}

async function answer(response, what) {
  const text = await response.text();
  let body = {};
  try {
    body = text ? JSON.parse(text) : {};
  } catch {
    body = { error: text.slice(0, 200) };
  }
  if (!response.ok || body.ok === false) throw new RequestError(`${what}: ${body.error || `the server answered ${response.status}`}`);
  return body;
}

export async function post(path, body) {
  const response = await fetch(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
  return answer(response, path.replace("/ui/", ""));
}

export async function getState() {
  return answer(await fetch("/ui/state", { headers: { accept: "application/json" } }), "state");
}

export async function fetchText(path) {
  const response = await fetch(path);
  if (!response.ok) throw new RequestError(`the server answered ${response.status}`);
  return response.text();
}

/**
 * Keep `state` current for as long as the page lives. The socket opens first and deltas wait until the snapshot is there,
 * so nothing falls between the two; after a lost connection everything is fetched again.
 */
export function follow(state) {
  let wait = FIRST_WAIT_MS;
  const connect = () => {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/ui/events`);
    let waiting = [];
    socket.addEventListener("open", async () => {
      try {
        state.load(await getState());
        for (const delta of waiting) state.apply(delta);
        waiting = null;
        wait = FIRST_WAIT_MS;
        state.setConnected(true);
      } catch (error) {
        console.warn("state could not be fetched", error);
        socket.close();
      }
    });
    socket.addEventListener("message", (event) => {
      const delta = JSON.parse(event.data);
      if (waiting) waiting.push(delta);
      else state.apply(delta);
    });
    socket.addEventListener("close", () => {
      state.setConnected(false);
      setTimeout(connect, wait);
      wait = Math.min(wait * 2, LONGEST_WAIT_MS);
    });
  };
  connect();
}
