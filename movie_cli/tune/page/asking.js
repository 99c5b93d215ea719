// Asks the server, which is at the address that the page itself has.
export const page = crypto.randomUUID();

export class Refused extends Error {
  constructor(answer) { super(answer.message); this.hint = answer.hint || ""; }
}

async function checked(answer) {
  if (answer.ok) return answer;
  let said = { message: `the program answers with ${answer.status}` };
  try { said = await answer.json(); } catch { /* not every refusal has words */ }
  throw new Refused(said);
}

export async function get(path) {
  return (await checked(await fetch(path))).json();
}

export async function post(path, values) {
  return (await send(path, values)).json();
}

async function send(path, values) {
  const options = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(values) };
  return checked(await fetch(path, options));
}

// A frame as the settings make it: a picture's address, and what is to be said of the instruction. Null
// where a later request took its place.
export async function edited(kind, at, settings, index = 0) {
  return picture("edited", { kind, at, settings, index });
}

// Where the edit of a frame goes, as a colour that lies over it, and what is to be said of it.
export async function veilOf(at, settings) {
  return picture("veil", { at, settings });
}

async function picture(path, values) {
  const answer = await send(path, { page, ...values });
  if (answer.status === 204) return null;
  const text = (name) => decodeURIComponent(answer.headers.get(name) || "");
  const url = URL.createObjectURL(await answer.blob());
  return { url, advice: text("movie-advice"), where: text("movie-where") };
}

// Shows a picture in an image element, once it is decoded, and lets go of the one before.
export async function show(image, url) {
  const before = image.dataset.url;
  image.src = url;
  image.dataset.url = url;
  try { await image.decode(); } catch { /* another came meanwhile */ }
  if (before && before.startsWith("blob:") && before !== url) URL.revokeObjectURL(before);
}

// Calls `work` for one argument at a time, and of those that come meanwhile for the last alone.
export function newest(work) {
  let busy = false, waiting = null;
  return async function run(argument) {
    if (busy) { waiting = { argument }; return; }
    busy = true;
    try { await work(argument); } finally {
      busy = false;
      if (waiting) { const next = waiting; waiting = null; run(next.argument); }
    }
  };
}
