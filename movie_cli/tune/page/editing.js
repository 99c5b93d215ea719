// The command, presets, and the edit of the whole film with its result.
import { $, make, startPlayer } from "./player.js";
import { get, post } from "./asking.js";

export function startEditing(studio) {
  studio.copy = async () => {
    const text = $("command").textContent;
    if (!text) { studio.say("There is no command yet: write an instruction"); return; }
    try { await navigator.clipboard.writeText(text); studio.say("Copied"); } catch {
      getSelection().selectAllChildren($("command"));
      studio.say("The browser lets nothing be copied: the command is selected");
    }
  };
  $("copy").addEventListener("click", studio.copy);

  $("preset-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    if (!studio.ready()) { studio.say("There is nothing to save yet: write an instruction"); return; }
    if (await studio.unknownPlace()) return;
    try {
      const answer = await post("preset", { name: $("preset-name").value.trim(), settings: studio.current() });
      studio.showPresets(answer.presets);
      studio.say(`Saved. Use it with: ${answer.command}`);
    } catch (error) { studio.refused(error); }
  });

  const start = async (values) => {
    try { await post("edit", values); studio.say(""); } catch (error) {
      if (/ exists$/.test(error.message) && confirm(`${error.message}. Replace it?`)) await start({ ...values, replace: true });
      else studio.refused(error);
    }
  };
  $("edit").addEventListener("click", async () => {
    if (!await studio.unknownPlace()) start({ settings: studio.current() });
  });
  $("stop").addEventListener("click", () => post("stop", {}).catch(studio.refused));
  $("resume").addEventListener("click", () => start({ resume: true }));

  const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.round(seconds) % 60).padStart(2, "0")}`;
  const words = (edit) => {
    const count = edit.total ? `${Math.floor(edit.frames)} of ${edit.total} frames` : "";
    const left = edit.seconds_left === null ? "" : `${clock(edit.seconds_left)} left`;
    const speed = edit.fps ? `${edit.fps.toFixed(1)} a second` : "";
    if (edit.state === "running") return [count, speed, left, edit.note].filter(Boolean).join(", ");
    if (edit.state === "stopping") return "Stopping";
    if (edit.state === "stopped") return `Stopped: ${edit.kept ? edit.note : "nothing was done yet that could be kept"}`;
    if (edit.state === "failed") return `It failed: ${edit.note}`;
    return `Done: ${edit.output}`;
  };
  let finished = "", runs = false;
  studio.tellReady = () => { $("edit").disabled = runs || !studio.ready(); };
  studio.tellEdit = async (edit) => {
    runs = edit.state === "running" || edit.state === "stopping";
    studio.tellReady();
    $("stop").hidden = edit.state !== "running";
    $("resume").hidden = !["stopped", "failed"].includes(edit.state);
    $("resume").textContent = edit.kept ? "Go on" : "Start again";
    $("progress-row").hidden = edit.state === "idle";
    if (edit.state === "idle") return;
    $("progress").hidden = !runs;
    if (edit.total) { $("progress").max = edit.total; $("progress").value = edit.frames; } else $("progress").removeAttribute("value");
    $("progress-text").textContent = words(edit);
    if (edit.state !== "done") { finished = ""; return; }
    if (finished === edit.output) return;
    finished = edit.output;
    try { showResult(await get("films")); } catch (error) { studio.refused(error); }
  };
  const showResult = (data) => {
    const holder = make("div", "", { tabindex: "-1" });
    holder.append($("player-template").content.cloneNode(true));
    $("result-player").replaceChildren(holder);
    $("result").hidden = false;
    const stamp = Date.now();  // the films of an edit before had the same addresses
    for (const film of data.films) film.src = `${film.src}?${stamp}`;
    startPlayer(data, () => {}, holder);
  };
}
