// Films in step and pictures under a wipe, for the pages of `movie compare` and `movie tune`.
export const $ = (id) => document.getElementById(id);
export const make = (tag, text, attributes = {}) => {
  const element = document.createElement(tag);
  if (text) element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
};

// Moves the border between two figures of `stage`, of the classes left and right, by pointer and by a slider.
export function makeWipe(stage, slider, leftName) {
  const show = () => {
    stage.style.setProperty("--wipe", `${slider.value}%`);
    slider.setAttribute("aria-valuetext", `${slider.value} % ${leftName()}`);
  };
  const to = (percent) => { slider.value = Math.round(Math.max(0, Math.min(100, percent))); show(); };
  const drag = (event) => {
    if (!stage.classList.contains("wipe") || !event.buttons) return;
    const box = stage.querySelector(".left > :first-child").getBoundingClientRect();
    to(100 * (event.clientX - box.left) / box.width);
  };
  stage.addEventListener("pointerdown", (event) => { event.preventDefault(); stage.setPointerCapture(event.pointerId); drag(event); });
  stage.addEventListener("pointermove", drag);
  slider.addEventListener("input", show);
  return { show, by: (step) => to(Number(slider.value) + step) };
}

// The player in `player.html`. `data` has films (label, src, times, last), frames and aspect; `shown` hears of every
// frame, and `keys` is the element in which keys work.
export function startPlayer(data, shown = () => {}, keys = document) {
  const films = data.films;
  const last = data.frames - 1;
  const SMALL = 0.004;

  // A film's time of frame i: a list, or begin and step where frames are evenly spaced.
  const timeOf = (film, i) => Array.isArray(film.times) ? film.times[i] : film.times.begin + i * film.times.step;
  const lengthOf = (film, i) => i < last ? timeOf(film, i + 1) - timeOf(film, i) : film.last;
  // A little into the frame, so that rounding does not show the one before.
  const inside = (film, i) => timeOf(film, i) + Math.min(lengthOf(film, i) / 2, 0.05);
  const frameAt = (film, time) => {
    let low = 0, high = last;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (timeOf(film, middle) <= time + SMALL) low = middle; else high = middle - 1;
    }
    return low;
  };

  document.documentElement.style.setProperty("--aspect", data.aspect.join(" / "));
  document.documentElement.style.setProperty("--ratio", data.aspect[0] / data.aspect[1]);
  films.forEach((film, number) => {
    const figure = make("figure", "", { "data-film": number });
    film.video = make("video", "", {
      src: film.src, preload: "auto", playsinline: "", "aria-label": film.label, tabindex: "-1",
    });
    film.video.muted = true;
    film.video.addEventListener("error", () => {
      $("trouble").hidden = false;
      $("trouble").textContent = `${film.label} cannot be played here: ${film.src.slice(0, 80)}`;
    });
    figure.append(film.video, make("figcaption", film.label));
    $("films").append(figure);
    for (const id of ["left", "right"]) $(id).append(make("option", film.label, { value: number }));
  });
  $("left").value = "0";
  $("right").value = "1";
  $("seek").max = last;

  let frame = 0;
  let playing = false;

  const show = () => {
    const film = films[0];
    $("seek").value = frame;
    const seconds = (timeOf(film, frame) - timeOf(film, 0)).toFixed(2);
    $("place").textContent = `${frame + 1} of ${last + 1}, ${seconds} s`;
    $("seek").setAttribute("aria-valuetext", `frame ${frame + 1} of ${last + 1}`);
    shown(frame);
  };
  const goTo = (wanted) => {
    frame = Math.max(0, Math.min(last, wanted));
    for (const film of films) film.video.currentTime = inside(film, frame);
    show();
  };

  // Playing: the first film leads, the others are held to it.
  const follow = () => {
    if (!playing) return;
    const lead = films[0].video;
    const rate = Number($("speed").value);
    frame = frameAt(films[0], lead.currentTime);
    const over = lead.ended || lead.currentTime >= timeOf(films[0], last) + lengthOf(films[0], last) - SMALL;
    if (over) {
      if ($("loop").checked) { goTo(0); for (const film of films) film.video.play(); }
      else { pause(); goTo(last); return; }
    } else {
      const share = (lead.currentTime - timeOf(films[0], frame)) / Math.max(lengthOf(films[0], frame), SMALL);
      for (const film of films.slice(1)) {
        const target = timeOf(film, frame) + Math.min(Math.max(share, 0), 1) * lengthOf(film, frame);
        const ahead = film.video.currentTime - target;
        if (film.video.seeking) continue;
        if (Math.abs(ahead) > 0.2) { film.video.currentTime = target; film.video.playbackRate = rate; }
        else film.video.playbackRate = Math.abs(ahead) < 0.008 ? rate : rate * (1 - Math.max(-0.15, Math.min(0.15, 2 * ahead)));
        if (film.video.paused && !film.video.ended) film.video.play().catch(() => {});
      }
    }
    show();
    requestAnimationFrame(follow);
  };
  const play = () => {
    if (frame >= last) goTo(0);
    playing = true;
    $("play").textContent = "Pause";
    for (const film of films) { film.video.playbackRate = Number($("speed").value); film.video.play().catch(() => {}); }
    requestAnimationFrame(follow);
  };
  const pause = () => {
    playing = false;
    $("play").textContent = "Play";
    for (const film of films) film.video.pause();
    goTo(frame);
  };
  const pick = (wanted) => { if (playing) pause(); goTo(wanted); };

  // View.
  const wipe = makeWipe($("films"), $("wipe"), () => films[$("left").value].label);
  const arrange = () => {
    const side = $("view").value === "wipe";
    $("films").className = `films ${$("view").value}`;
    $("wipe-row").hidden = !side;
    for (const label of document.querySelectorAll(".pick")) label.hidden = !side;
    for (const figure of $("films").children) {
      const number = figure.dataset.film;
      figure.className = number === $("right").value ? "right" : number === $("left").value ? "left" : "";
      figure.hidden = side && !figure.className;
      figure.style.zIndex = figure.className === "right" ? 1 : 0;
    }
    wipe.show();
  };

  // Controls.
  $("play").addEventListener("click", () => playing ? pause() : play());
  $("back").addEventListener("click", () => pick(frame - 1));
  $("forth").addEventListener("click", () => pick(frame + 1));
  $("seek").addEventListener("input", () => pick(Number($("seek").value)));
  $("speed").addEventListener("change", () => { for (const film of films) film.video.playbackRate = Number($("speed").value); });
  $("sound").addEventListener("change", () => { films[0].video.muted = !$("sound").checked; });
  for (const id of ["view", "left", "right"]) $(id).addEventListener("change", arrange);
  keys.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const at = event.target, many = event.shiftKey ? 10 : 1;
    if (at.matches("select") || (event.key === " " && at.matches("button, summary, input[type=checkbox]"))) return;
    if (at.matches("input[type=range]") && ["Home", "End"].includes(event.key)) return;
    const actions = {
      " ": () => playing ? pause() : play(), ",": () => pick(frame - many), ".": () => pick(frame + many),
      "<": () => pick(frame - 10), ">": () => pick(frame + 10), "[": () => wipe.by(-5), "]": () => wipe.by(5),
      "Home": () => pick(0), "End": () => pick(last),
      "v": () => { $("view").value = $("view").value === "wipe" ? "grid" : "wipe"; arrange(); },
    };
    let action = actions[event.key];
    if (/^[1-9]$/.test(event.key) && Number(event.key) <= films.length) {
      action = () => { $("right").value = String(Number(event.key) - 1); arrange(); };
    }
    if (action) { event.preventDefault(); event.stopPropagation(); action(); }
  });

  arrange();
  show();
  for (const film of films) film.video.addEventListener("loadedmetadata", () => { film.video.currentTime = inside(film, frame); }, { once: true });
  return { pick };
}
