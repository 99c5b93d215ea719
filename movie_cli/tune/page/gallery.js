// Many pictures of one frame: every look, both scales, and candidates that are kept.
import { $, make } from "./player.js";
import { edited, show } from "./asking.js";

const MOST = 4;

function tile(title, chosen) {
  const button = make("button", "", { type: "button", class: "tile" });
  button.append(make("img", "", { alt: "" }), make("span", title));
  button.addEventListener("click", chosen);
  return button;
}

// Fills tiles one after another, when nothing more urgent is asked for, until `wanted` says that others are wanted.
async function fill(studio, kind, tiles, wanted) {
  for (let next = tiles().find((each) => !each.done); next && wanted(); next = tiles().find((each) => !each.done)) {
    await studio.quiet();
    if (!wanted()) return;
    next.asked = true;
    studio.filled(kind);
    const answer = await edited(kind, studio.place, next.settings()).finally(() => { next.asked = false; });
    if (answer && wanted()) await show(next.button.querySelector("img"), answer.url);
    if (answer) next.done = true;
    studio.filled(kind);
  }
}

export function startWall(studio) {
  const looks = studio.about.looks.map((look) => {
    const usual = studio.about.settings;
    const each = { ...look, done: false, settings: () => ({ ...usual, instruction: look.words }) };
    each.button = tile(look.title, () => studio.set({ instruction: look.words }));
    each.button.title = look.words;
    return each;
  });
  $("wall").append(...looks.map((each) => each.button));
  const found = () => {
    const word = $("wall-search").value.trim().toLowerCase();
    return looks.filter((each) => `${each.title} ${each.words}`.toLowerCase().includes(word));
  };
  let run = 0;
  const refill = async () => {
    const mine = run += 1;
    try { await fill(studio, "wall", () => [...found(), ...looks], () => run === mine); } catch (error) { studio.refused(error); }
  };
  const tell = () => {
    const seen = found(), done = looks.filter((each) => each.done).length;
    for (const each of looks) {
      each.button.hidden = !seen.includes(each);
      each.button.setAttribute("aria-pressed", String(each.words === studio.settings.instruction));
    }
    const asked = looks.filter((each) => each.asked).length;
    const count = seen.length < looks.length ? `${seen.length} of ${looks.length} looks` : `${looks.length} looks`;
    const made = done < looks.length ? `, ${done} made${asked ? `, ${asked} being made` : ""}` : "";
    $("wall-state").textContent = `${count}${made}, at the usual scales`;
  };
  $("wall-search").addEventListener("input", () => { tell(); refill(); });
  studio.tellWall = tell;
  studio.refillWall = () => { for (const each of looks) each.done = false; tell(); refill(); };
  tell();
}

export function startGrid(studio) {
  const { ranges } = studio.about;
  const values = (name, shares) => {
    const [low, high] = ranges[name];
    return shares.map((share) => Math.round((low + share * (high - low)) * 20) / 20);
  };
  const cells = [];
  for (const image_scale of values("image_scale", [0, 0.35, 0.7])) {
    for (const text_scale of values("text_scale", [0.2, 0.5, 0.85])) {
      const cell = { done: false, settings: () => ({ ...studio.current(), text_scale, image_scale }) };
      cell.button = tile(`${text_scale} / ${image_scale}`, () => studio.set({ text_scale, image_scale }));
      cell.button.setAttribute("aria-label", `Text scale ${text_scale}, image scale ${image_scale}`);
      $("grid").append(cell.button);
      cells.push(cell);
    }
  }
  let run = 0;
  studio.refillGrid = async () => {
    const mine = run += 1;
    if (!$("grid-box").open || !studio.ready()) return;
    for (const cell of cells) cell.done = false;
    try { await fill(studio, "grid", () => cells, () => run === mine && $("grid-box").open); } catch (error) { studio.refused(error); }
  };
  $("grid-box").addEventListener("toggle", studio.refillGrid);
}

export function startCandidates(studio) {
  const kept = [];
  const draw = () => {
    $("candidates-section").hidden = !kept.length;
    $("candidates").replaceChildren(...kept.map((each, index) => {
      const cell = make("div", "", { class: "cell" }), row = make("div", "", { class: "row" });
      const use = make("button", `Use ${index + 1}`, { type: "button", title: `Back to this one (${index + 1})` });
      const remove = make("button", "Remove", { type: "button", "aria-label": `Remove ${index + 1}` });
      use.addEventListener("click", () => studio.use(index + 1));
      remove.addEventListener("click", () => { kept.splice(index, 1); URL.revokeObjectURL(each.url); draw(); });
      row.append(use, remove);
      const { instruction, text_scale, image_scale, seed, only, except_for } = each.settings;
      const facts = `“${instruction}”, text ${text_scale}, image ${image_scale}${seed ? `, seed ${seed}` : ""}${only ? `, only ${only}` : ""}${except_for ? `, except ${except_for}` : ""}`;
      cell.append(make("img", "", { src: each.url, alt: `Kept ${index + 1}: ${instruction}` }), make("p", facts), row);
      return cell;
    }));
  };
  studio.keep = async () => {
    if (studio.ready()) await studio.quiet();
    if (!studio.shown) { studio.say("There is nothing to keep yet: write an instruction"); return; }
    if (kept.length === MOST) { studio.say(`${MOST} are kept: remove one first`); return; }
    const { settings, place } = studio.shown;
    const answer = await edited("frame", place, settings);
    if (!answer) return;
    kept.push({ settings, place, url: answer.url });
    draw();
    studio.say(`Kept as ${kept.length}`);
  };
  studio.use = (number) => { if (kept[number - 1]) studio.set(kept[number - 1].settings); };
  $("keep").addEventListener("click", () => studio.keep().catch(studio.refused));
}
