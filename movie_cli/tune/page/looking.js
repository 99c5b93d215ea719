// The frame: before and after under a wipe, the time line, and a loop of two seconds.
import { $, make, makeWipe } from "./player.js";
import { edited, get, newest, post, show } from "./asking.js";

const QUIET = 250;  // milliseconds after a change before anything less urgent is asked for

export function startLooking(studio) {
  const { about } = studio;
  const wipe = makeWipe($("stage"), $("stage-wipe"), () => "before");
  wipe.show();
  let busy = 0, changed = 0, loop = null;

  studio.quiet = async () => {
    while (busy || performance.now() - changed < QUIET) await new Promise((go) => setTimeout(go, 60));
  };

  // Frames.
  const ask = async (kind, place, settings) => {
    busy += 1;
    try { return await edited(kind, place, settings); } finally { busy -= 1; }
  };
  const showEdited = newest(async ({ kind, place, settings, number }) => {
    const latest = () => number === studio.number && !loop;
    if (latest()) studio.working(kind === "fine" ? "adding the source's detail" : "making the frame");
    try {
      const answer = await ask(kind, place, settings);
      if (!answer || !studio.ready()) return;
      studio.answered(answer, settings, place);
      if (!loop) await show($("after"), answer.url);
    } catch (error) {
      studio.refused(error);
      if (latest()) $("after-caption").textContent = studio.shown ? studio.shown.settings.instruction : "";
    } finally { if (latest()) studio.working(""); }
  });
  // The command follows from the settings alone, and does not wait for the model.
  const tellCommand = newest(async (number) => {
    let text = "";
    try { if (studio.ready()) text = (await post("command", { settings: studio.current() })).command; } catch { /* the frame tells */ }
    if (number === studio.number) $("command").textContent = text;
  });
  const finish = newest(async (number) => {
    // The source's own detail costs time at its size: it comes when the hand rests.
    await studio.quiet();
    if (number === studio.number && !loop && studio.ready()) showEdited({ kind: "fine", place: studio.place, settings: studio.current(), number });
  });
  studio.number = 0;
  studio.look = () => {
    studio.number += 1;
    changed = performance.now();
    studio.veil(!loop);
    studio.tellReady();
    tellCommand(studio.number);
    if (loop) { startLoop(); return; }
    studio.working(studio.ready() ? "making the frame" : "");
    if (!studio.ready()) { show($("after"), sourceOf(studio.place)); studio.cleared(); return; }
    studio.asked();
    showEdited({ kind: "frame", place: studio.place, settings: studio.current(), number: studio.number });
    if (about.fine) finish(studio.number);
  };

  // The time line.
  const sourceOf = (place) => `source?at=${encodeURIComponent(place)}`;
  for (const place of about.thumbnails) $("thumbnails").append(make("img", "", { src: `${sourceOf(place)}&width=160`, alt: "" }));
  $("time").max = Math.max(0, about.length - about.step / 2);
  $("time").step = about.step;
  $("time").value = about.place;
  const seconds = (value) => `${Number(value).toFixed(2)} s`;
  const showPlace = () => {
    $("time-shown").textContent = `${seconds(studio.place)} of ${seconds(about.length)}`;
    $("time").setAttribute("aria-valuetext", seconds(studio.place));
  };
  const showBefore = newest(async (place) => { await show($("before"), sourceOf(place)); });
  const goTo = (place) => {
    studio.place = place;
    showPlace();
    if (!loop) showBefore(place);
    studio.look();
    studio.moved();
  };
  // Half a frame early: a place is answered with the first frame at or after it.
  const placeOf = (value) => Math.max(0, value - about.step / 2).toFixed(3);
  $("time").addEventListener("input", () => goTo(placeOf(Number($("time").value))));
  studio.step = (count) => {
    $("time").value = Number($("time").value) + count * about.step;
    goTo(placeOf(Number($("time").value)));
  };
  $("previous").addEventListener("click", () => studio.step(-1));
  $("next").addEventListener("click", () => studio.step(1));

  // The loop: each picture is shown as soon as it is made, and all of them at the film's own speed once they are.
  const startLoop = async () => {
    const mine = { number: studio.number, place: studio.place, frames: [], times: [], began: 0 };
    stopPictures();
    loop = mine;
    studio.veil(false);
    studio.working(studio.ready() ? "making two seconds" : "", false);
    $("loop-play").textContent = "Stop";
    try {
      mine.times = (await get(`loop?at=${encodeURIComponent(mine.place)}`)).times;
      requestAnimationFrame(() => turn(mine));
      for (let index = 0; index < mine.times.length && loop === mine; index += 1) {
        const before = `loop/${index}?at=${encodeURIComponent(mine.place)}`;
        const answer = studio.ready() ? await edited("loop", mine.place, studio.current(), index) : { url: before };
        if (loop !== mine) { if (answer && answer.url !== before) URL.revokeObjectURL(answer.url); return; }
        if (!answer) return;
        if (answer.url !== before) studio.answered(answer, studio.current(), mine.place);
        const pictures = { before: new Image(), after: new Image() };
        pictures.before.src = before;
        pictures.after.src = answer.url;
        await Promise.all([pictures.before.decode(), pictures.after.decode()]);
        mine.frames.push(pictures);
        $("time-shown").textContent = `${index + 1} of ${mine.times.length} pictures`;
      }
      mine.began = performance.now();
      studio.working("");
      showPlace();
    } catch (error) { studio.refused(error); if (loop === mine) stopLoop(); }
  };
  const turn = (mine) => {
    if (loop !== mine) return;
    const whole = mine.frames.length === mine.times.length && mine.began;
    const length = mine.times.length ? mine.times[mine.times.length - 1] + about.step : 1;
    let index = mine.frames.length - 1;
    if (whole) {
      const now = ((performance.now() - mine.began) / 1000) % length;
      while (index > 0 && mine.times[index] > now) index -= 1;
    }
    if (index >= 0 && mine.shown !== index) {
      mine.shown = index;
      $("before").src = mine.frames[index].before.src;
      $("after").src = mine.frames[index].after.src;
    }
    requestAnimationFrame(() => turn(mine));
  };
  const stopPictures = () => {
    if (loop) for (const pictures of loop.frames) if (pictures.after.src.startsWith("blob:")) URL.revokeObjectURL(pictures.after.src);
  };
  const stopLoop = () => {
    stopPictures();
    loop = null;
    $("loop-play").textContent = "Play 2 s";
    goTo(studio.place);
  };
  studio.still = () => !loop;
  studio.loop = () => { if (loop) stopLoop(); else startLoop(); };
  $("loop-play").addEventListener("click", studio.loop);
  studio.wipe = wipe.by;

  goTo(about.place);
}
