// The live page: reads events, each with the complete state, and draws a card per controller.
import { draw, gapsOf } from "./chart.js";

const LOST_MS = 5000, FRESH_S = 10;
const NAMES = { 300: "5 min", 3600: "1 h", 28800: "8 h", 86400: "24 h" };
const MAIN = ["process_value", "process_value_active", "filtered_process_value"];
const SET = ["setpoint", "setpoint_active"];
const POWER = ["output_power", "heat_power", "cool_power"];
const $ = (id) => document.getElementById(id);

let windows = NAMES, span = 300;
let state = null, arrived = 0, lastNumber = 0, reading = null, readAgain = false;
const trends = new Map(); // key of a series -> its buckets
const cards = new Map(); // key of a card -> its elements

// The token has become a cookie: it need not stay in the address.
if (location.search) history.replaceState(null, "", location.pathname);

const keyOf = (series) => JSON.stringify([series.device, series.parameter, series.instance]);
const words = (name) => name.replaceAll("_", " ");
const sinceArrival = () => (performance.now() - arrived) / 1000;
const stepOf = () => windows[span] || 1;

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function setText(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

function duration(seconds) {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${Math.floor(seconds)} s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86400)} days`;
}

// --- Trends ---------------------------------------------------------------------------------

async function readTrends() {
  if (reading) { readAgain = true; return; }
  const asked = span;
  reading = fetch(`history/${asked}`);
  try {
    const reply = await reading;
    if (reply.ok) {
      const found = await reply.json();
      if (asked === span) {
        trends.clear();
        for (const [key, buckets] of found) trends.set(JSON.stringify(key), buckets);
        drawAll();
      }
    }
  } catch { /* the events say that the connection is lost */ } finally {
    reading = null;
    if (readAgain || asked !== span) { readAgain = false; readTrends(); }
  }
}

// Adds the latest value of a series to its buckets, as `Ring.add` of the server does.
function extend(series) {
  const key = keyOf(series), step = stepOf(), start = Math.floor(series.at / step) * step;
  if (series.number === null && series.status === "ok") return; // a text
  if (!trends.has(key)) trends.set(key, []);
  const buckets = trends.get(key), last = buckets.at(-1), value = series.number;
  if (!last || start > last[0]) {
    buckets.push([start, value, value, value === null]);
    if (buckets.length > 400) buckets.shift();
  } else if (start === last[0]) {
    if (value === null) last[3] = true;
    else if (last[1] === null) last[1] = last[2] = value;
    else { last[1] = Math.min(last[1], value); last[2] = Math.max(last[2], value); }
  }
}

function select(seconds) {
  span = seconds;
  for (const button of $("windows").children)
    button.setAttribute("aria-pressed", String(Number(button.value) === span));
  for (const card of cards.values()) card.cursor = null;
  readTrends();
}

// --- Cards ----------------------------------------------------------------------------------

function groups() {
  const instances = new Map();
  for (const each of state.series) {
    if (!instances.has(each.device)) instances.set(each.device, new Set());
    instances.get(each.device).add(each.instance);
  }
  const found = new Map();
  for (const each of state.series) {
    const key = JSON.stringify([each.device, each.instance]);
    const title = instances.get(each.device).size > 1 ? `${each.device}, instance ${each.instance}` : each.device;
    if (!found.has(key)) found.set(key, { title, series: [] });
    found.get(key).series.push(each);
  }
  return found;
}

function makeCard(title) {
  const root = element("section", "card");
  root.tabIndex = 0;
  root.setAttribute("aria-label", title);
  const heading = element("h2");
  const status = element("span", "status");
  heading.append(element("span", "", title), status);
  const main = element("p", "main");
  const value = element("b"), unit = element("span"), age = element("span", "age");
  main.append(value, unit, age);
  const reason = element("p", "reason"), list = element("dl"), canvas = element("canvas");
  const cursorText = element("p", "cursor");
  cursorText.setAttribute("aria-live", "polite");
  canvas.setAttribute("role", "img");
  root.append(heading, main, reason, list, canvas, cursorText);
  const card = { root, status, value, unit, age, reason, list, canvas, cursorText, cursor: null, timeAt: null };
  canvas.addEventListener("pointermove", (event) => pointAt(card, event.offsetX));
  canvas.addEventListener("pointerdown", (event) => pointAt(card, event.offsetX));
  canvas.addEventListener("pointerleave", () => { card.cursor = null; drawCard(card); });
  root.addEventListener("keydown", (event) => moveCursor(card, event));
  return card;
}

function pick(series, names) {
  for (const name of names) {
    const found = series.find((each) => each.parameter === name);
    if (found) return found;
  }
  return undefined;
}

function withUnit(series) {
  return series.text ? `${series.text}${series.unit ? ` ${series.unit}` : ""}` : "–";
}

function fillCard(card, group) {
  const main = pick(group.series, MAIN) || group.series.find((each) => each.number !== null) || group.series[0];
  const set = pick(group.series, SET), power = pick(group.series, POWER);
  Object.assign(card, { main, set, power });
  const failed = [main, ...group.series].find((each) => each.status !== "ok");
  const kept = failed && failed.text !== "";
  card.root.classList.toggle("bad", Boolean(failed));
  setText(card.status, failed ? words(failed.status) : "ok");
  setText(card.value, main.text || "–");
  setText(card.unit, main.unit);
  let reason = "";
  if (failed) {
    reason = failed === main ? failed.reason : `${words(failed.parameter)}: ${failed.reason}`;
    if (!kept && failed.last) reason += `; the last value was ${failed.last} ${failed.unit}`.trimEnd();
  }
  setText(card.reason, reason);
  const rows = [set, power, ...group.series.filter((each) => ![main, set, power].includes(each))].filter(Boolean);
  while (card.list.children.length > rows.length) card.list.lastChild.remove();
  while (card.list.children.length < rows.length) {
    const row = element("div");
    row.append(element("dt"), element("dd"));
    card.list.append(row);
  }
  rows.forEach((each, number) => {
    const [term, text] = card.list.children[number].children;
    term.className = each === set ? "swatch set" : each === power ? "swatch power" : "";
    setText(term, words(each.parameter));
    setText(text, withUnit(each));
    text.classList.toggle("bad", each.status !== "ok");
  });
}

function showAges() {
  if (!state) return;
  for (const card of cards.values()) {
    if (!card.main) continue;
    const age = card.main.age === null ? null : card.main.age + sinceArrival();
    setText(card.age, age === null ? "" : `${duration(age)} old`);
  }
}

function seriesFor(series, color, dashes) {
  const buckets = trends.get(keyOf(series)) || [];
  return { buckets, step: stepOf(), period: series.period, color, dashes, unit: series.unit, name: words(series.parameter) };
}

function drawCard(card) {
  if (!card.main || !card.canvas.isConnected) return;
  const to = edge(), from = to - span;
  const lines = [seriesFor(card.main, "--value")];
  if (card.set && card.set.unit === card.main.unit) lines.push(seriesFor(card.set, "--set", [5, 4]));
  const strip = card.power ? seriesFor(card.power, "--power") : null;
  card.timeAt = draw(card.canvas, { lines, strip, from, to, cursor: card.cursor });
  const gaps = gapsOf(lines[0].buckets, stepOf(), card.main.period, from, to).length;
  const label = `Trend of the last ${NAMES[span] || span}: ${gaps ? `with ${gaps} gap${gaps === 1 ? "" : "s"}` : "without gaps"}`;
  if (card.canvas.getAttribute("aria-label") !== label) card.canvas.setAttribute("aria-label", label);
  setText(card.cursorText, card.cursor === null ? "" : cursorWords(card, [...lines, ...(strip ? [strip] : [])]));
}

function cursorWords(card, lines) {
  const step = stepOf();
  const parts = lines.map((line) => {
    const bucket = line.buckets.findLast(([start]) => start <= card.cursor);
    const fresh = bucket && card.cursor - bucket[0] < 2.5 * Math.max(step, line.period);
    if (!fresh || bucket[1] === null) return `${line.name}: no value`;
    const [low, high] = [bucket[1].toFixed(2), bucket[2].toFixed(2)];
    return `${line.name} ${low === high ? low : `${low} to ${high}`} ${line.unit}`.trimEnd();
  });
  return `${new Date(card.cursor * 1000).toLocaleTimeString([], { hour12: false })}  ${parts.join(", ")}`;
}

function pointAt(card, pixel) {
  if (!card.timeAt) return;
  card.cursor = Math.min(edge(), Math.max(edge() - span, card.timeAt(pixel)));
  drawCard(card);
}

function moveCursor(card, event) {
  const steps = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (steps) {
    const at = card.cursor === null ? edge() : card.cursor;
    card.cursor = Math.min(edge(), Math.max(edge() - span, at + (steps * span) / 60));
    event.preventDefault();
  } else if (event.key === "Escape") card.cursor = null;
  else return;
  drawCard(card);
}

// The right end of the trends: now, or the last row of stored data.
function edge() {
  const last = Math.max(...state.series.map((each) => each.at));
  return last + (state.live && !state.health.ended ? Math.min(sinceArrival(), LOST_MS / 1000) : 0);
}

function drawAll() {
  if (state && state.series.length) for (const card of cards.values()) drawCard(card);
}

// --- Health ---------------------------------------------------------------------------------

function counter(name, text, bad) {
  const row = element("div"), value = element("dd", bad ? "bad" : "", text);
  row.append(element("dt", "", name), value);
  return row;
}

function showHealth(health) {
  const count = (number) => number.toLocaleString("en");
  const rows = [];
  setText($("health-title"), state.live ? (health.ended ? "Recorder (ended)" : "Recorder") : "Stored rows");
  if (state.live) {
    rows.push(
      counter("running for", duration(health.duration_s)),
      counter("ticks", count(health.ticks)),
      counter("late", count(health.late), health.late),
      counter("dropped", count(health.dropped), health.dropped),
      counter("largest drift", `${health.drift_ms} ms`),
      counter("reads without a value", `${count(health.gaps)} of ${count(health.rows)}`, health.gaps),
      counter("ports lost", count(health.disconnects), health.disconnects),
    );
  } else if (health.problem) rows.push(counter("problem", health.problem, true));
  else if (health.reading) rows.push(counter("state", "the rows are being read"));
  else rows.push(
    counter("read at", new Date(health.read_at * 1000).toLocaleTimeString([], { hour12: false })),
    counter("looks for new rows every", `${health.every_s} s`),
    counter("last row", state.series.length ? new Date(Math.max(...state.series.map((each) => each.at)) * 1000).toLocaleString([], { hour12: false }) : "none"),
  );
  if (health.ahead) rows.push(counter("not shown", "rows that are more than a day ahead", true));
  $("counters").replaceChildren(...rows);
  $("sinks").replaceChildren(...((health.sinks || []).length ? [sinkTable(health.sinks, count)] : []));
  const events = health.events || [];
  $("events").hidden = !events.length;
  $("events").querySelector("ol").replaceChildren(...events.map((each) => {
    const at = new Date(each.at * 1000), form = { hour12: false };
    const time = state.live ? at.toLocaleTimeString([], form) : at.toLocaleString([], form);
    const words = [each.kind, each.text].filter(Boolean).join(": ");
    return element("li", "", `${time} ${each.device ? `${each.device}, ` : ""}${words}`);
  }));
}

function sinkTable(sinks, count) {
  const table = element("table"), head = element("tr");
  for (const name of ["output", "rows written", "waiting", "lost"]) {
    const cell = element("th", "", name);
    cell.scope = "col";
    head.append(cell);
  }
  table.append(head);
  for (const sink of sinks) {
    const row = element("tr");
    row.append(
      element("td", "", sink.name), element("td", "", count(sink.written)),
      element("td", "", count(sink.waiting)), element("td", sink.lost ? "bad" : "", count(sink.lost)),
    );
    table.append(row);
    if (sink.problem) {
      const cell = element("td", "bad problem", sink.problem), line = element("tr");
      cell.colSpan = 4;
      line.append(cell);
      table.append(line);
    }
  }
  return table;
}

// --- Events ---------------------------------------------------------------------------------

function show(next) {
  const newest = (each) => Math.max(0, ...each.series.map(({ at }) => at));
  const grown = !next.live && state && newest(next) !== newest(state);
  const again = !state || next.number !== lastNumber + 1 || grown;
  state = next;
  arrived = performance.now();
  lastNumber = next.number;
  if (Object.keys(next.windows).join() !== Object.keys(windows).join() || !$("windows").children.length) makeWindows(next.windows);
  windows = next.windows;
  setText($("title"), next.title || "Recording");
  document.title = `${next.title || "Recording"} – watlowlib`;
  const found = groups();
  for (const [key, group] of found) {
    if (!cards.has(key)) {
      cards.set(key, makeCard(group.title));
      $("cards").append(cards.get(key).root);
    }
    fillCard(cards.get(key), group);
  }
  for (const [key, card] of cards) if (!found.has(key)) { card.root.remove(); cards.delete(key); }
  $("empty").hidden = found.size > 0;
  if (again) readTrends();
  else next.series.forEach(extend);
  showConnection();
  showHealth(next.health);
  showAges();
  drawAll();
}

function makeWindows(found) {
  $("windows").replaceChildren(...Object.keys(found).map((seconds, number) => {
    const button = element("button", "", NAMES[seconds] || `${seconds} s`);
    button.type = "button";
    button.value = seconds;
    button.title = `Key ${number + 1}`;
    button.setAttribute("aria-pressed", String(Number(seconds) === span));
    button.addEventListener("click", () => select(Number(seconds)));
    return button;
  }));
}

function showConnection(text, bad = true) {
  const where = $("connection");
  if (!text && state) {
    bad = false;
    text = state.live ? (state.health.ended ? "The recording has ended." : "Live") : "Stored rows";
  }
  where.classList.toggle("bad", bad);
  setText(where, text || "Connecting…");
}

function listen() {
  const events = new EventSource("events");
  events.onmessage = (event) => show(JSON.parse(event.data));
  events.addEventListener("full", () => showConnection("There are too many viewers; trying again."));
  events.onerror = () => {
    if (!(state && state.health.ended)) showConnection("Connection lost; trying to connect again.");
    lastNumber = 0;
    if (events.readyState === EventSource.CLOSED) setTimeout(listen, 2000);
  };
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  const all = Object.keys(windows).map(Number), at = all.indexOf(span);
  const next = { "+": at - 1, "=": at - 1, "-": at + 1 }[event.key] ?? Number(event.key) - 1;
  if (all[next] !== undefined) { select(all[next]); event.preventDefault(); }
});
setInterval(() => {
  showAges();
  if (!state) return;
  const silent = performance.now() - arrived > LOST_MS;
  if (silent && !state.health.ended) showConnection("Connection lost; trying to connect again.");
  drawAll();
}, 500);
addEventListener("resize", drawAll);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
listen();
