// What is being made: told in the header, with the seconds that it takes once they are many, and on the frame.
import { $ } from "./player.js";

const SOON = 300;   // milliseconds in which most frames are made: of those nothing need be told
const LONG = 2000;  // after which the seconds are counted
const READ = 4000;  // for which a message stays that comes meanwhile

export function startWorking(studio) {
  const name = studio.about.model;
  let open = false, wanted = "", told = "", began = 0, said = -READ, timer = 0;

  const write = (text) => { if ($("status").textContent !== text) $("status").textContent = text; };
  const tell = () => {
    const now = performance.now(), text = open ? wanted : `opening ${name}`;
    const free = $("status").textContent === told || now - said >= READ;
    if (text && free && (now - began >= SOON || !open)) { told = text; write(text); }
    const counted = text && told === text && $("status").textContent === text && now - began > LONG;
    $("seconds").textContent = counted ? `${Math.floor((now - began) / 1000)} s` : "";
  };
  const begin = () => {
    clearInterval(timer);
    timer = setInterval(tell, 250);
    began = performance.now();
    tell();
  };
  const rest = () => {
    clearInterval(timer);
    if (told && $("status").textContent === told) write(`${name} is ready`);
    told = "";
    $("seconds").textContent = "";
  };
  // A message that is worth more than what is being made, for a while.
  studio.say = (text) => { said = performance.now(); write(text); $("seconds").textContent = ""; };
  // What is made from now on, "" for nothing; `framed` says that the frame waits for it.
  studio.working = (text, framed = Boolean(text)) => {
    $("stage").setAttribute("aria-busy", String(framed));
    wanted = text;
    if (text) said = -READ;
    if (text) begin(); else if (open) rest();
  };
  // The model is open, or it and all else ended with an error.
  studio.opened = (error) => {
    open = true;
    if (error) { wanted = ""; rest(); studio.say(error); } else if (wanted) begin(); else { told = $("status").textContent; rest(); }
  };
  begin();
}
