// Photos in, answers out. Each photo is a request of its own, a few at a time, so that each has its own fate.

const AT_ONCE = 4;
const BARS = 5;
const KEY = "hotdog-ft-key";

const byId = (id) => document.getElementById(id);
const percent = (p) => `${(100 * p).toFixed(1)} %`;

let model = { explains: false, max_bytes: Infinity, classes: [] };
let running = 0;
const waiting = [];

// --- The server ------------------------------------------------------------------------------------------------------

class Failure extends Error {
  constructor(error, hint, again = false) {
    super(error);
    this.hint = hint;
    this.again = again;
  }
}

async function ask(address, options = {}) {
  const key = sessionStorage.getItem(KEY);
  let response, body;
  try {
    response = await fetch(address, { ...options, headers: key ? { Authorization: `Bearer ${key}` } : {} });
    body = await response.blob(); // all of it: the server may go away in between
  } catch {
    throw new Failure("The server doesn't answer.", "Is it still running, and this machine connected to it?", true);
  }
  if (response.ok) return body;
  const other = { error: response.statusText || `Status ${response.status}`, hint: "" }; // of a server in between
  const { error, hint } = await readJson(body).catch(() => other);
  if (response.status === 401) askForKey(error);
  throw new Failure(error, hint, [401, 408, 429].includes(response.status) || response.status >= 500);
}

async function readJson(body) {
  try {
    return JSON.parse(await body.text());
  } catch {
    throw new Failure("The answer can't be read.", "Does another server answer in this one's place?", true);
  }
}

async function predict(photo) {
  if (photo.size > model.max_bytes) {
    const limit = Number((model.max_bytes / 2 ** 20).toPrecision(4));
    throw new Failure(`The photo has more than ${limit} MiB.`, "Make it smaller.");
  }
  try {
    await photo.slice(0, 1).arrayBuffer();
  } catch {
    throw new Failure("The photo can't be read here.", "Is it a folder, or has it changed since you chose it?");
  }
  const form = new FormData();
  form.append("photo", photo, photo.name || "pasted");
  const query = model.explains ? "?explain=true" : "";
  const answer = await readJson(await ask(`predict${query}`, { method: "POST", body: form }));
  return answer.predictions[0];
}

// --- The key ---------------------------------------------------------------------------------------------------------

function askForKey(error) {
  byId("key-problem").textContent = `${error} It is kept until this tab is closed.`;
  if (!byId("key-form").hidden) return;
  byId("key-form").hidden = false;
  byId("key").focus();
}

byId("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  if (!/^[\x20-\x7e]+$/.test(byId("key").value)) {
    askForKey("A key is of ASCII characters alone."); // a header can hold no others
    return;
  }
  sessionStorage.setItem(KEY, byId("key").value);
  byId("key").value = "";
  byId("key-form").hidden = true;
  begin();
});

// --- Answers ---------------------------------------------------------------------------------------------------------

function show(photo) {
  const card = byId("answer").content.firstElementChild.cloneNode(true);
  const address = URL.createObjectURL(photo);
  const image = card.querySelector(".photo");
  image.src = address;
  image.alt = photo.name || "pasted photo";
  image.addEventListener("error", () => card.classList.add("unshown")); // no image, or of a kind not known to browsers
  card.querySelector(".name").textContent = photo.name;
  card.querySelector(".again").addEventListener("click", () => enqueue(photo, card));
  byId("answers").prepend(card);
  enqueue(photo, card);
}

function enqueue(photo, card) {
  card.classList.remove("failed");
  card.classList.add("waiting");
  card.querySelector(".label").textContent = "Looking…";
  card.querySelector(".hint").textContent = "";
  card.querySelector(".again").hidden = true;
  waiting.push([photo, card]);
  work();
}

async function work() {
  if (running >= AT_ONCE || !waiting.length) return;
  running += 1;
  const [photo, card] = waiting.shift();
  try {
    fill(card, await predict(photo));
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    fail(card, error);
  } finally {
    card.classList.remove("waiting");
    running -= 1;
    work();
  }
}

function fill(card, prediction) {
  card.querySelector(".label").textContent = prediction.label;
  card.querySelector(".probability").textContent = percent(prediction.probability);
  const ranked = Object.entries(prediction.probabilities).sort(([, a], [, b]) => b - a); // objects put numbers first
  card.querySelector(".bars").replaceChildren(...ranked.slice(0, BARS).map(bar));
  if (prediction.label === "unknown" && !model.classes.includes("unknown")) {
    card.querySelector(".probability").textContent = "";
    card.querySelector(".hint").textContent = `No class is as probable as ${percent(model.unknown_below)}.`;
  }
  if (prediction.explanation) offerLook(card, prediction);
  byId("status").textContent = `${card.querySelector(".photo").alt}: ${prediction.label}, ${percent(prediction.probability)}`;
}

function bar([name, probability]) {
  const row = document.createElement("li");
  for (const [kind, text] of [["class", name], ["number", percent(probability)], ["track", ""]]) {
    const part = document.createElement("span");
    part.className = kind;
    part.textContent = text;
    row.append(part);
  }
  const filled = document.createElement("div");
  filled.className = "bar";
  filled.style.width = `${100 * probability}%`;
  row.querySelector(".track").append(filled);
  return row;
}

function offerLook(card, prediction) {
  const button = card.querySelector(".look");
  const image = card.querySelector(".photo");
  const plain = { src: image.src, alt: image.alt };
  const looked = { src: prediction.explanation, alt: `${image.alt}, coloured where it looked for ${prediction.label}` };
  button.hidden = false;
  button.addEventListener("click", () => {
    const pressed = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(pressed));
    Object.assign(image, pressed ? looked : plain);
    card.classList.remove("unshown");
  });
}

function fail(card, failure) {
  card.classList.add("failed");
  card.querySelector(".label").textContent = failure.message;
  card.querySelector(".hint").textContent = failure.hint;
  card.querySelector(".again").hidden = !failure.again;
  byId("status").textContent = `${card.querySelector(".photo").alt}: ${failure.message}`;
}

// --- Ways in ---------------------------------------------------------------------------------------------------------

const take = (files) => [...files].forEach(show);

for (const [button, input] of [["choose", "files"], ["take", "camera"]]) {
  byId(button).addEventListener("click", () => byId(input).click());
  byId(input).addEventListener("change", () => {
    take(byId(input).files);
    byId(input).value = ""; // so that the same photo can be chosen again
  });
}
byId("take").hidden = !matchMedia("(pointer: coarse)").matches; // elsewhere it would only open the same dialogue

document.addEventListener("paste", (event) => take(event.clipboardData.files));
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("dropping");
});
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) document.body.classList.remove("dropping");
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("dropping");
  take(event.dataTransfer.files);
});

async function offer(example, number) {
  const photo = await ask(example.url.slice(1));
  const button = document.createElement("button");
  const image = document.createElement("img");
  button.type = "button";
  image.src = URL.createObjectURL(photo);
  image.alt = `Example ${number + 1}`;
  button.append(image);
  button.addEventListener("click", () => show(new File([photo], example.name, { type: photo.type })));
  const item = document.createElement("li");
  item.append(button);
  return item;
}

// --- Begin -----------------------------------------------------------------------------------------------------------

async function begin() {
  try {
    model = await readJson(await ask("model"));
    const { classes } = model;
    byId("question").textContent =
      classes.length <= 3 ? `${classes.slice(0, -1).join(", ")} or ${classes.at(-1)}?` : "What does the photo show?";
    document.title = `${byId("question").textContent} – hotdog-ft`;
    byId("about").textContent =
      classes.length <= 3 ? model.architecture : `${model.architecture}, one of ${classes.length} classes`;
    const examples = await readJson(await ask("examples"));
    byId("example-list").replaceChildren(...(await Promise.all(examples.map(offer))));
    byId("examples").hidden = !examples.length;
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    byId("about").textContent = `${error.message} ${error.hint}`;
  }
}

begin();
