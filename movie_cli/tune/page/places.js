// Where the edit goes: the places it is bounded by, and a veil over the frame that shows them.
import { $, make } from "./player.js";
import { newest, post, show, veilOf } from "./asking.js";

const FIELDS = { only: "only", except_for: "except" };
const PAUSE = 400;  // milliseconds after the last letter before a place is looked up

export function startPlaces(studio) {
  // A place can be looked for before there is an instruction.
  const settled = () => ({ ...studio.current(), instruction: studio.current().instruction || "any" });

  const checks = Object.entries(FIELDS).map(([name, id]) => {
    const field = $(id), trouble = $(`${id}-trouble`);
    let timer = 0, latest = Promise.resolve();
    const complete = () => {
      // A browser completes a field as a whole: what stands before the last comma is part of every choice.
      const words = field.value.split(","), before = words.slice(0, -1).map((word) => `${word.trim()},`).join("");
      const others = studio.about.places.filter((place) => !before.split(",").includes(place));
      $(`${id}-places`).replaceChildren(...others.map((place) => make("option", "", { value: before + place })));
    };
    const tell = (text) => {
      trouble.textContent = text;
      if (text) field.setAttribute("aria-invalid", "true"); else field.removeAttribute("aria-invalid");
    };
    const look = async () => {
      const text = field.value.trim(), value = text.replace(/[\s,]+$/, "") || null;
      try {
        if (value !== studio.settings[name]) await post("command", { settings: { ...settled(), [name]: value } });
        if (field.value.trim() !== text) return;
        tell("");
        if (value !== studio.settings[name]) studio.set({ [name]: value });
      } catch (error) {
        if (field.value.trim() === text) tell(error.hint ? `${error.message}: ${error.hint}` : error.message);
      }
    };
    const check = () => { clearTimeout(timer); timer = 0; latest = look(); return latest; };
    field.addEventListener("input", () => { complete(); clearTimeout(timer); timer = setTimeout(check, PAUSE); });
    field.addEventListener("change", check);
    complete();
    const draw = (value) => {
      const text = field.value.trim().replace(/[\s,]+$/, "");
      if (text !== (value || "")) { clearTimeout(timer); timer = 0; field.value = value || ""; complete(); }
      tell("");
    };
    return { name, field, trouble, draw, done: () => timer ? check() : latest };
  });

  studio.tellPlaces = (values) => {
    for (const each of checks) if (each.name in values) each.draw(values[each.name]);
  };
  // Whether a field names a place that nothing knows, which is then gone to: nothing is made without what it says.
  studio.unknownPlace = async () => {
    for (const { field, trouble, done } of checks) {
      await done();
      if (trouble.textContent) { studio.say(trouble.textContent); field.focus(); return true; }
    }
    return false;
  };
  studio.tellPlaces(studio.settings);

  // The veil.
  let shown = "", wanted = false;
  const fetchVeil = newest(async () => {
    const { instruction, only, except_for, feather } = studio.settings, place = studio.place;
    const key = JSON.stringify([place, instruction, only, except_for, feather]);
    if (!wanted) return;
    try {
      const answer = key === shown ? null : await veilOf(place, settled());
      if (answer) {
        await show($("veil"), answer.url);
        $("veil").alt = `The edit goes to ${answer.advice}`;
        $("veil-share").textContent = answer.advice;
        shown = key;
      }
      $("veil").parentElement.hidden = !wanted;
    } catch (error) { studio.refused(error); }
  });
  studio.veil = (still) => {
    wanted = still && $("veil-shown").checked;
    if (wanted) fetchVeil();
    else $("veil").parentElement.hidden = true;
    $("veil-share").hidden = !$("veil-shown").checked;
  };
  $("veil-shown").addEventListener("change", () => studio.veil(studio.still()));
}
