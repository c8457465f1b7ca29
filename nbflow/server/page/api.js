// The server's REST, as this page uses it. Addresses are relative: a proxy may have put the page anywhere.

/** An error response of the server; `faults` are by position, if the response has them. */
export class Refused extends Error {
  constructor(problem) {
    super(problem.detail ?? problem.title ?? 'The server refused it');
    this.status = problem.status;
    this.faults = problem.faults ?? null;
  }
}

/** Return the message of an error for a person: that of the server, if it has responded. */
export function worded(error) {
  if (!(error instanceof Refused)) return `The server cannot be reached: ${error.message}`;
  return error.status === 401 ? 'The server does not know this page: open it by the address with the token' : error.message;
}

async function call(path, { method = 'GET', body, headers = {} } = {}) {
  const sent = body === undefined ? {} : { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json', ...headers } };
  const answer = await fetch(path, { method, ...sent });
  const told = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refused({ status: answer.status, ...told });
  return told;
}

const base64 = (text) => btoa(String.fromCharCode(...new TextEncoder().encode(text)));
const SAFE = /^[A-Za-z0-9_-]([A-Za-z0-9_.~ -]*[A-Za-z0-9_.~-])?$/; // names that an address does not change
/** The id of a graph in an address: its name, or `~` and the name in base64url. */
const named = (name) => (SAFE.test(name)
  ? encodeURIComponent(name)
  : `~${base64(name).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '')}`);
const query = (values) => new URLSearchParams(Object.entries(values).filter(([, value]) => value)).toString();

export const graphs = async () => (await call('graphs')).graphs;
export const graph = (name) => call(`graphs/${named(name)}`);
export const scene = (name) => call(`scenes/${named(name)}`);
export const result = (id) => call(`executions/result/${encodeURIComponent(id)}`);
export const runs = (asked) => call(`executions?${query(asked)}`);

/** Begin a run; the key makes a second try of the same press no second run. */
export async function start(name, state, key) {
  const asked = { graph_id: name, initial_state: state };
  return (await call('executions/run', { method: 'POST', body: asked, headers: { 'Idempotency-Key': key } })).run_id;
}
