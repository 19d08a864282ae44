// Draws one trend on a canvas: buckets of [start, lowest, highest, whether a read had no value].
// A gap is a bucket with a read without a value, or a time without buckets: the line breaks there
// and the time is shaded.

const LEFT = 46, RIGHT = 4, TOP = 6, AXIS = 18, STRIP = 30, SPACE = 14;
const TIME_STEPS = [10, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600];

// Returns the shaded times of a series as [begin, end].
export function gapsOf(buckets, step, period, from, to) {
  const longest = 2.5 * Math.max(step, period);
  const gaps = [];
  let end = null;
  const add = (begin, stop) => { // gaps that touch are one
    const last = gaps.at(-1);
    if (last && begin <= last[1] + step) last[1] = stop;
    else gaps.push([begin, stop]);
  };
  for (const [start, , , failed] of buckets) {
    if (end !== null && start - end > longest) add(end, start);
    if (failed) add(start, start + Math.max(step, period));
    end = start + step;
  }
  if (end !== null && to - end > Math.max(longest, 5)) add(end, to);
  return gaps.filter(([begin, stop]) => stop > from && begin < to);
}

function niceStep(span, count) {
  const rough = span / count, power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 5, 10].map((each) => each * power).find((each) => each >= rough);
}

function rangeOf(lists, from) {
  let low = Infinity, high = -Infinity;
  for (const list of lists)
    for (const [start, least, most] of list)
      if (least !== null && start >= from) { low = Math.min(low, least); high = Math.max(high, most); }
  if (low > high) return null;
  const span = Math.max(high - low, 1e-3 * Math.max(Math.abs(low), Math.abs(high)), 0.1);
  const middle = (low + high) / 2;
  return [middle - 0.56 * span, middle + 0.56 * span];
}

function drawLine(ctx, series, x, y, from, color, dashes) {
  const longest = 2.5 * Math.max(series.step, series.period);
  ctx.strokeStyle = color;
  ctx.lineWidth = 1.75;
  ctx.lineJoin = "round";
  ctx.setLineDash(dashes);
  ctx.beginPath();
  let end = null, last = 0;
  for (const [start, low, high] of series.buckets) {
    if (start + series.step < from) continue;
    if (low === null || (end !== null && start - end > longest)) end = null;
    if (low === null) continue;
    const at = x(start + series.step / 2);
    const [near, far] = end !== null && Math.abs(last - high) < Math.abs(last - low) ? [high, low] : [low, high];
    if (end === null) ctx.moveTo(at - 0.75, y(near));
    ctx.lineTo(at, y(near));
    if (far !== near) ctx.lineTo(at, y(far));
    last = far;
    end = start + series.step;
  }
  ctx.stroke();
  ctx.setLineDash([]);
}

function timeText(seconds, step) {
  const options = { hour: "2-digit", minute: "2-digit", hour12: false };
  if (step < 60) options.second = "2-digit";
  return new Date(seconds * 1000).toLocaleTimeString([], options);
}

// Draws `lines` (main plot) and `strip` (below, 0 to 100 %); returns the function from x to time.
export function draw(canvas, { lines, strip, from, to, cursor }) {
  const style = getComputedStyle(canvas), color = (name) => style.getPropertyValue(name).trim();
  const width = canvas.clientWidth, height = canvas.clientHeight, scale = devicePixelRatio || 1;
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const ctx = canvas.getContext("2d");
  ctx.scale(scale, scale);
  ctx.font = `11px ${style.fontFamily}`;
  const bottom = height - AXIS - (strip ? STRIP + SPACE : 0), right = width - RIGHT;
  const x = (at) => LEFT + ((at - from) / (to - from)) * (right - LEFT);

  // The gaps of the first line.
  ctx.fillStyle = color("--gap");
  ctx.beginPath();
  for (const [begin, end] of gapsOf(lines[0].buckets, lines[0].step, lines[0].period, from, to)) {
    const left = Math.max(LEFT, x(begin));
    ctx.rect(left, TOP, Math.max(2, Math.min(right, x(end)) - left), height - AXIS - TOP);
  }
  ctx.fill();

  // Times.
  ctx.fillStyle = color("--soft");
  ctx.strokeStyle = color("--line");
  ctx.lineWidth = 1;
  ctx.textAlign = "center";
  ctx.textBaseline = "bottom";
  const step = TIME_STEPS.find((each) => (to - from) / each <= (right - LEFT) / 55) || 21600;
  const zone = new Date(to * 1000).getTimezoneOffset() * 60;
  for (let at = Math.ceil((from - zone) / step) * step + zone; at <= to; at += step) {
    ctx.beginPath(); ctx.moveTo(x(at), TOP); ctx.lineTo(x(at), height - AXIS); ctx.stroke();
    if (x(at) > LEFT + 14 && x(at) < right - 16) ctx.fillText(timeText(at, step), x(at), height - 2);
  }

  // Values.
  const range = rangeOf(lines.map((each) => each.buckets), from);
  ctx.textAlign = "right";
  ctx.textBaseline = "middle";
  if (range) {
    const [low, high] = range, y = (value) => bottom - ((value - low) / (high - low)) * (bottom - TOP);
    const nice = niceStep(high - low, 4), digits = Math.max(0, -Math.floor(Math.log10(nice) + 1e-9));
    for (let value = Math.ceil(low / nice) * nice; value <= high; value += nice) {
      ctx.beginPath(); ctx.moveTo(LEFT, y(value)); ctx.lineTo(right, y(value)); ctx.stroke();
      ctx.fillText(value.toFixed(digits), LEFT - 5, y(value));
    }
    ctx.save();
    ctx.beginPath(); ctx.rect(LEFT, 0, right - LEFT, height); ctx.clip();
    for (const series of [...lines].reverse())
      drawLine(ctx, series, x, y, from, color(series.color), series.dashes || []);
    ctx.restore();
  }
  if (strip) {
    const base = bottom + SPACE + STRIP;
    const y = (value) => base - (Math.max(0, Math.min(100, Math.abs(value))) / 100) * STRIP;
    for (const value of [0, 100]) {
      ctx.beginPath(); ctx.moveTo(LEFT, y(value)); ctx.lineTo(right, y(value)); ctx.stroke();
      ctx.fillText(`${value} %`, LEFT - 5, y(value) + (value ? 4 : -4));
    }
    ctx.save();
    ctx.beginPath(); ctx.rect(LEFT, 0, right - LEFT, height); ctx.clip();
    drawLine(ctx, strip, x, y, from, color("--power"), []);
    ctx.restore();
  }
  if (cursor !== null) {
    ctx.strokeStyle = color("--ink");
    ctx.beginPath(); ctx.moveTo(x(cursor), TOP); ctx.lineTo(x(cursor), height - AXIS); ctx.stroke();
  }
  return (pixel) => from + ((pixel - LEFT) / (right - LEFT)) * (to - from);
}
