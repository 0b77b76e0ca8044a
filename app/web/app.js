// The page: photos come in (intake.js), are sent to the service (lanes.js), each gets a card
// (card.js) on which a person can say what it shows (choices.js, keys.js, labels.js), some of them
// are listed (view.js, list.js), and the table of all answers can be downloaded (table.js).

import { Card } from "./card.js";
import { Counts } from "./counts.js";
import { watchIntake } from "./intake.js";
import { watchKeys } from "./keys.js";
import { Labels } from "./labels.js";
import { Lanes } from "./lanes.js";
import { guard, mayClear, release } from "./leave.js";
import { CardList } from "./list.js";
import { recall, watchOtherTabs } from "./remember.js";
import { ByFile, identity } from "./same.js";
import { canBeRetried, readModel } from "./service.js";
import { csv } from "./table.js";
import { upload } from "./upload.js";
import { isReady, KINDS, View } from "./view.js";

const $ = (id) => document.getElementById(id);

/**
 * One per photo, oldest first: {name, file, state, prediction, problem, roundTrip, sent, truth,
 * keptAs, card}; `truth` is what a person says that it shows, or null, and `keptAs` whose it is in
 * the browser's storage; `card` is there once it was in the list.
 */
let photos = [];
let here = new ByFile(); // the same
let frame = 0; // the one that is asked for to show the counts in

watchIntake($, add);
const view = new View();
const list = new CardList($("cards"), $("more"), refresh);
const lanes = new Lanes(settled);
const counts = new Counts($);
const labels = new Labels($, {
  changed: labelled,
  bringBack: (photo, here) => view.bringBack(photo, here),
  reveal,
  photoOf,
  beside: filterChosen,
});
watchOtherTabs(follow);
watchKeys($("results"), photoOf, labels);
$("undo").addEventListener("click", () => {
  if (labels.takeBack()) return;
  listAll(); // who presses it wants to see it
  labels.takeBack();
});
$("download").addEventListener("click", download);
$("clear").addEventListener("click", clear);
$("retry").addEventListener("click", () => send(photos.filter(isRetriable)));
$("filter").addEventListener("change", filter);
$("find").addEventListener("input", filter);
showModel();

/**
 * What is here already is not added again, but tried again if it had failed.
 * @param {{name: string, file: File | null}[]} files
 */
function add(files) {
  const added = [];
  const again = [];
  for (const { name, file } of files) {
    const photo = { name, file };
    const own = identity(photo);
    const same = own && here.get(own);
    if (!same) {
      added.push(photo);
      if (own) here.set(own, photo);
    } else if (same.state === "failed") again.push(Object.assign(same, { file }));
  }
  const already = files.length - added.length - again.length;
  $("already").textContent = ["", "1 photo was here already."][already]
    ?? `${already} photos were here already.`;
  if (!added.length && !again.length) return;
  const kept = recall();
  for (const photo of added) Object.assign(photo, whatIsKept(photo, kept));
  if (view.hides(added)) listAll();
  photos.push(...added);
  view.add(added);
  send([...added, ...again]);
}

/** It is said of no other photo that is here. */
function whatIsKept(photo, kept) {
  const own = identity(photo);
  const found = own && kept.get(own);
  return found && here.get(found.keptAs) === photo ? found : { keptAs: own, truth: null };
}

function newCard(photo) {
  return new Card(photo, {
    retry: () => send([photo]),
    explain: (note) => explain(photo, note),
    judge: (truth) => labels.judge(photo, truth),
  });
}

/** Of a photo that is listed. */
function cardOf(photo) {
  if (!photo.card) {
    photo.card = newCard(photo);
    photo.card.show();
  }
  photo.card.look();
  return photo.card.element;
}

function send(some) {
  for (const photo of some) {
    Object.assign(photo, { state: "waiting", prediction: null, problem: null });
    photo.card?.show();
  }
  counts.begin(some);
  lanes.send(some);
  guard(some);
  refresh();
}

/** An answer that no card can show is none, whether the photo is listed or not. */
function settle(photo, answer) {
  Object.assign(photo, answer);
  photo.state = stateOf(photo);
  (photo.card ?? newCard(photo)).show();
}

function settled(photo, answer) {
  settle(photo, answer);
  refreshSoon();
}

function photoOf(card) {
  return photos.find((photo) => photo.card?.element === card);
}

function labelled(photo) {
  draw(photo);
  refresh();
}

/** Another tab has changed what is said of a photo, which may be here as well. */
function follow(keptAs, truth) {
  const photo = here.get(keptAs);
  if (!photo || photo.truth === truth) return;
  labels.follow(photo, keptAs, truth);
  draw(photo);
  refreshSoon();
}

/** Once what is said of it has changed. */
function draw(photo) {
  if (isReady(photo)) settle(photo, {});
  else photo.card?.show();
}

/** The card of a photo that the filter leaves, and null of another. */
function reveal(photo) {
  const place = view.shown().indexOf(photo);
  if (place < 0) return null;
  list.reach(place);
  if (!photo.card?.element.isConnected) refresh();
  return photo.card.element;
}

/** The photo is sent again: it takes the service much longer, so it is not done for each. */
function explain({ file, name }, note) {
  return upload(file, name, lanes.signal, note, "?explain=true");
}

function stateOf({ prediction, truth }) {
  if (!prediction) return "failed";
  if (truth) return "checked";
  return prediction.needs_review ? "review" : "done";
}

/** What takes the focus of a card that is gone, too. */
function filterChosen() {
  return $("filter").querySelector(":checked");
}

function filter() {
  view.filter(filterChosen().value, $("find").value);
  list.restart();
  refresh();
}

function listAll() {
  $("filter").querySelector("[value=all]").checked = true;
  $("find").value = "";
  filter();
}

function isRetriable(photo) {
  return photo.state === "failed" && canBeRetried(photo.problem);
}

/** At most once per frame: it takes long with thousands of photos. */
function refreshSoon() {
  frame ||= requestAnimationFrame(() => {
    frame = 0;
    refresh();
  });
}

function refresh() {
  $("results").hidden = photos.length === 0;
  counts.show(photos);
  const focused = document.activeElement === $("retry");
  $("retry").hidden = !photos.some(isRetriable);
  if (focused && $("retry").hidden) $("choose").focus();
  $("download").disabled = !photos.some(isReady);
  const some = view.shown();
  $("nothing").hidden = some.length > 0;
  if (list.draw(some, cardOf)) filterChosen().focus({ preventScroll: true });
}

function clear() {
  const checked = photos.filter(KINDS.checked);
  if (!mayClear(checked.length)) return;
  lanes.stop();
  release(photos);
  labels.forget(checked);
  photos = [];
  here = new ByFile();
  $("find").value = "";
  $("already").textContent = "";
  counts.clear();
  view.clear();
  filter();
  $("choose").focus();
}

function download() {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([csv(photos)], { type: "text/csv;charset=utf-8" }));
  link.download = `garments-${new Date().toISOString().slice(0, 19).replaceAll(":", "")}.csv`;
  link.click();
  release(photos.filter(isReady)); // what is on its way is not in this table
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

async function showModel() {
  const description = await readModel();
  if (!description) {
    $("model").textContent = "The service does not say which model it has.";
    return;
  }
  const { name, version, categories } = description.card;
  $("model").textContent = `Model ${name}, version ${version}`;
  $("categories").textContent = categories.join(" · ");
}
