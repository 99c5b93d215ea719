// The page of `movie tune`: the settings, what they are told by, and the keys.
import { $, make } from "./player.js";
import { get } from "./asking.js";
import { startLooking } from "./looking.js";
import { startCandidates, startGrid, startWall } from "./gallery.js";
import { startEditing } from "./editing.js";
import { startPlaces } from "./places.js";
import { startWorking } from "./working.js";

const SLIDERS = { "text-scale": "text_scale", "image-scale": "image_scale", "detail": "detail" };
const NUMBERS = ["seed", "steps", "feather"];
const PAUSE = 250;  // milliseconds after the last letter before an instruction is taken

const about = await get("about");
const studio = {
  about,
  place: about.place,
  settings: { ...about.settings },
  shown: null,
  refused(error) { studio.say(error.hint ? `${error.message}: ${error.hint}` : error.message); },
  ready() { return studio.settings.instruction.trim() !== ""; },
  current() { return { ...studio.settings, instruction: studio.settings.instruction.trim() }; },
  set(values) {
    Object.assign(studio.settings, values);
    draw();
    studio.tellPlaces(values);
    studio.look();
    studio.refillGrid();
    studio.tellWall();
  },
  asked() {
    const { instruction } = studio.current();
    if (instruction !== studio.shown?.settings.instruction) $("after-caption").textContent = `being made: ${instruction}`;
  },
  answered(answer, settings, place) {
    studio.shown = { settings, place };
    $("advice").textContent = answer.advice;
    $("advice").hidden = !answer.advice;
    $("where-understood").textContent = answer.where && `Understood: ${answer.where}`;
    if (settings.instruction === studio.current().instruction) $("after-caption").textContent = settings.instruction;
  },
  cleared() {
    studio.shown = null;
    $("advice").hidden = true;
    $("where-understood").textContent = "";
    $("after-caption").textContent = "write an instruction, or choose a look";
  },
  moved() { studio.refillWall(); studio.refillGrid(); },
  filled() { studio.tellWall(); },
  refillWall() {}, refillGrid() {}, tellWall() {},
  showPresets(presets) {
    $("preset").replaceChildren(make("option", "none", { value: "" }), ...presets.map((each) => make("option", each.name, { value: each.name })));
    studio.about.presets = presets;
  },
};

// Controls. A sentence is asked for when its letters stop, as every frame takes its time.
let typing = 0;
const say = () => { clearTimeout(typing); typing = 0; studio.set({ instruction: $("instruction").value }); };
// What the box clips stands under it: only a box of one line completes.
const unclip = () => {
  $("whole").textContent = $("instruction").value;
  $("whole").hidden = $("instruction").scrollWidth <= $("instruction").clientWidth;
};
const draw = () => {
  const { settings } = studio;
  if (!typing && $("instruction").value.trim() !== settings.instruction.trim()) $("instruction").value = settings.instruction;
  unclip();
  for (const [id, name] of Object.entries(SLIDERS)) {
    const slider = $(id), value = settings[name];
    slider.min = Math.min(slider.min, value);
    slider.max = Math.max(slider.max, value);
    if (Number(slider.value) !== value) slider.value = value;
    $(`${id}-shown`).textContent = String(value);
  }
  // One that is being typed stays as it is typed.
  for (const name of NUMBERS) if (document.activeElement !== $(name)) $(name).value = settings[name] ?? about.steps;
  $("anchors").value = settings.anchors;
};
for (const [id, name] of Object.entries(SLIDERS)) {
  if (about.ranges[name]) [$(id).min, $(id).max] = about.ranges[name];
  $(id).addEventListener("input", () => studio.set({ [name]: Number($(id).value) }));
}
$("instruction").addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(say, PAUSE);
  if (!$("instruction").value.trim()) say();
  unclip();
});
$("instruction").addEventListener("change", () => typing && say());
for (const name of NUMBERS) {
  const field = $(name);
  field.addEventListener("input", () => {
    if (field.checkValidity()) studio.set({ [name]: field.value ? Number(field.value) : about.settings[name] });
  });
  field.addEventListener("blur", () => draw());
}
$("anchors").addEventListener("change", () => studio.set({ anchors: $("anchors").value }));
$("steps-row").hidden = about.steps === 1;
$("usual").addEventListener("click", () => studio.set({ ...about.settings, instruction: studio.settings.instruction }));
$("preset").addEventListener("change", () => {
  const chosen = studio.about.presets.find((each) => each.name === $("preset").value);
  if (chosen) studio.set(chosen.values);
});
$("controls").addEventListener("submit", (event) => event.preventDefault());
$("words").append(...about.looks.map((look) => make("option", "", { value: look.words })));
studio.showPresets(about.presets);
document.documentElement.style.setProperty("--aspect", about.aspect.join(" / "));
document.documentElement.style.setProperty("--ratio", about.aspect[0] / about.aspect[1]);
document.title = `${about.source} – movie tune`;
$("title").textContent = about.source;

draw();
startWorking(studio);
startWall(studio);
startGrid(studio);
startCandidates(studio);
startEditing(studio);
startPlaces(studio);
startLooking(studio);

// What happens.
const events = new EventSource("events");
events.addEventListener("message", (message) => {
  const event = JSON.parse(message.data);
  if (event.type === "edit") studio.tellEdit(event);
  if (event.type === "model") studio.opened(event.error);
});
events.addEventListener("error", () => { events.close(); studio.opened("movie has ended: this page answers no more"); });

// Keys.
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const at = event.target;
  if (at.matches("select, textarea, input:not([type=range])")) return;
  if (event.key === " " && at.matches("button, summary")) return;
  const many = event.shiftKey ? 10 : 1;
  const actions = {
    "i": () => $("instruction").focus(), "/": () => $("wall-search").focus(), "[": () => studio.wipe(-5), "]": () => studio.wipe(5),
    ",": () => studio.step(-many), ".": () => studio.step(many), "<": () => studio.step(-10), ">": () => studio.step(10),
    " ": () => studio.loop(), "g": () => { $("grid-box").open = !$("grid-box").open; },
    "p": () => $("veil-shown").click(), "k": () => studio.keep().catch(studio.refused), "c": () => studio.copy(),
  };
  const action = /^[1-4]$/.test(event.key) ? () => studio.use(Number(event.key)) : actions[event.key];
  if (action) { event.preventDefault(); action(); }
});
