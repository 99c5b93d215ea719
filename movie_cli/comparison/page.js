"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const $ = (id) => document.getElementById(id);
  const make = (tag, text, attributes = {}) => {
    const element = document.createElement(tag);
    if (text) element.textContent = text;
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    return element;
  };
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

  // Players.
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
    for (const chart of charts) chart.mark(frame);
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
  const step = (count) => { if (playing) pause(); goTo(frame + count); };

  // View.
  const arrange = () => {
    const wipe = $("view").value === "wipe";
    $("films").className = $("view").value;
    $("wipe-row").hidden = !wipe;
    for (const label of document.querySelectorAll(".pick")) label.hidden = !wipe;
    for (const figure of $("films").children) {
      const number = figure.dataset.film;
      figure.className = number === $("right").value ? "right" : number === $("left").value ? "left" : "";
      figure.hidden = wipe && !figure.className;
      figure.style.zIndex = figure.className === "right" ? 1 : 0;
    }
    $("films").style.setProperty("--wipe", `${$("wipe").value}%`);
    $("wipe").setAttribute("aria-valuetext", `${$("wipe").value} % ${films[$("left").value].label}`);
  };
  const wipeTo = (percent) => { $("wipe").value = Math.round(Math.max(0, Math.min(100, percent))); arrange(); };
  const drag = (event) => {
    if ($("view").value !== "wipe" || !event.buttons) return;
    const box = films[0].video.parentElement.hidden ? $("films").getBoundingClientRect()
      : films[Number($("left").value)].video.getBoundingClientRect();
    wipeTo(100 * (event.clientX - box.left) / box.width);
  };
  $("films").addEventListener("pointerdown", (event) => { event.preventDefault(); $("films").setPointerCapture(event.pointerId); drag(event); });
  $("films").addEventListener("pointermove", drag);

  // Charts.
  const SVG = "http://www.w3.org/2000/svg";
  const DASHES = ["", "", "7 3", "2 3", "9 3 2 3", "4 2"];
  const svg = (tag, attributes) => {
    const element = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    return element;
  };
  const number = (value) => value === null ? "–" : value.toPrecision(3);
  const drawChart = (chart) => {
    const WIDTH = 480, HEIGHT = 170, LEFT = 44, BOTTOM = 20, TOP = 8;
    const values = chart.lines.flatMap((line) => line.values.filter((value) => value !== null));
    const top = Math.max(...values, 1e-6) * 1.05;
    const points = Math.max(...chart.lines.map((line) => line.values.length));
    const x = (i) => LEFT + (WIDTH - LEFT - 6) * (points > 1 ? i / (points - 1) : 0);
    const y = (value) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / top);
    const panel = make("div", "", { class: "chart" });
    panel.append(make("h3", chart.title), make("p", chart.note));
    const summary = chart.lines.map((line) => `${films[line.film].label}: mean ${number(line.mean)}`).join("; ");
    const picture = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `${chart.title}. ${summary}` });
    for (const part of [0, 0.5, 1]) {
      const value = top * part / 1.05;
      picture.append(svg("line", { class: "axis", x1: LEFT, x2: WIDTH - 6, y1: y(value), y2: y(value), "stroke-opacity": part ? 0.35 : 1 }));
      const label = svg("text", { x: LEFT - 5, y: y(value) + 4, "text-anchor": "end" });
      label.textContent = number(value);
      picture.append(label);
    }
    for (const [i, anchor, text] of [[0, "start", "1"], [points - 1, "end", String(last + 1)]]) {
      const label = svg("text", { x: x(i), y: HEIGHT - 5, "text-anchor": anchor });
      label.textContent = `frame ${text}`;
      picture.append(label);
    }
    const table = make("table");
    const head = make("tr");
    head.append(...["film", "mean", "least", "most"].map((text) => make("th", text, { scope: "col" })));
    table.append(make("thead"), make("tbody"));
    table.tHead.append(head);
    for (const line of chart.lines) {
      const colour = `var(--c${line.film % 6})`, dash = DASHES[line.film % 6];
      let path = "", pen = "M";
      line.values.forEach((value, i) => {
        if (value === null) { pen = "M"; return; }
        path += `${pen}${x(i).toFixed(1)} ${y(value).toFixed(1)}`;
        pen = "L";
      });
      picture.append(svg("path", { d: path, style: `stroke:${colour}`, "stroke-dasharray": dash }));
      const key = svg("svg", { class: "key", viewBox: "0 0 30 10", "aria-hidden": "true" });
      key.append(svg("line", { x1: 0, x2: 30, y1: 5, y2: 5, style: `stroke:${colour}`, "stroke-dasharray": dash }));
      const row = make("tr"), name = make("th", "", { scope: "row" });
      name.append(key, films[line.film].label);
      row.append(name, ...[line.mean, line.least, line.most].map((value) => make("td", number(value))));
      table.tBodies[0].append(row);
    }
    const now = svg("line", { class: "now", y1: TOP, y2: HEIGHT - BOTTOM });
    picture.append(now);
    const pick = (event) => {
      if (event.type === "pointermove" && !event.buttons) return;
      const box = picture.getBoundingClientRect();
      const share = ((event.clientX - box.left) / box.width * WIDTH - LEFT) / (WIDTH - LEFT - 6);
      if (playing) pause();
      goTo(Math.round(share * last));
    };
    picture.addEventListener("pointerdown", pick);
    picture.addEventListener("pointermove", pick);
    panel.append(picture, table);
    $("charts").append(panel);
    return { mark(i) { const place = x(last ? i / last * (points - 1) : 0); now.setAttribute("x1", place); now.setAttribute("x2", place); } };
  };
  const charts = data.charts.map(drawChart);
  if (data.note) $("charts").append(make("p", data.note));

  // Recipes.
  const rows = make("tbody"), head = make("thead"), names = make("tr");
  names.append(make("td"), ...films.map((film) => make("th", film.label, { scope: "col" })));
  head.append(names);
  for (const [name, values] of data.facts) {
    const row = make("tr");
    row.append(make("th", name, { scope: "row" }), ...values.map((value) => make("td", value)));
    rows.append(row);
  }
  $("table").append(head, rows);

  // Controls.
  $("play").addEventListener("click", () => playing ? pause() : play());
  $("back").addEventListener("click", () => step(-1));
  $("forth").addEventListener("click", () => step(1));
  $("seek").addEventListener("input", () => { if (playing) pause(); goTo(Number($("seek").value)); });
  $("wipe").addEventListener("input", arrange);
  $("speed").addEventListener("change", () => { for (const film of films) film.video.playbackRate = Number($("speed").value); });
  $("sound").addEventListener("change", () => { films[0].video.muted = !$("sound").checked; });
  for (const id of ["view", "left", "right"]) $(id).addEventListener("change", arrange);
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const at = event.target, many = event.shiftKey ? 10 : 1;
    if (at.matches("select") || (event.key === " " && at.matches("button, summary, input[type=checkbox]"))) return;
    if (at.matches("input[type=range]") && ["Home", "End"].includes(event.key)) return;
    const keys = {
      " ": () => playing ? pause() : play(), ",": () => step(-many), ".": () => step(many),
      "<": () => step(-10), ">": () => step(10), "[": () => wipeTo(Number($("wipe").value) - 5),
      "]": () => wipeTo(Number($("wipe").value) + 5), "Home": () => step(-frame), "End": () => step(last - frame),
      "v": () => { $("view").value = $("view").value === "wipe" ? "grid" : "wipe"; arrange(); },
    };
    let action = keys[event.key];
    if (/^[1-9]$/.test(event.key) && Number(event.key) <= films.length) {
      action = () => { $("right").value = String(Number(event.key) - 1); arrange(); };
    }
    if (action) { event.preventDefault(); action(); }
  });

  arrange();
  show();
  for (const film of films) film.video.addEventListener("loadedmetadata", () => { film.video.currentTime = inside(film, frame); }, { once: true });
})();
