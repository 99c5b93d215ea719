// The page of `movie compare`: the player, curves and recipes. Stands behind player.js in one module.
const data = JSON.parse($("data").textContent);
const films = data.films;
const last = data.frames - 1;

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
    player.pick(Math.round(share * last));
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

const player = startPlayer(data, (frame) => { for (const chart of charts) chart.mark(frame); });
