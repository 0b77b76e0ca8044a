// Knows whose answers would be lost, and asks before the page is left, loaded again or cleared.

const ask = (event) => event.preventDefault();
const unsaved = new Set(); // photos that are in no downloaded table with their answer

/** What they get is to be asked for before it is lost. */
export function guard(photos) {
  for (const photo of photos) unsaved.add(photo);
  watch();
}

/** They are in a downloaded table, or are forgotten. */
export function release(photos) {
  for (const photo of photos) unsaved.delete(photo);
  watch();
}

/**
 * Asks only if something would be lost.
 * @param {number} labels of how many photos the browser keeps a label
 */
export function mayClear(labels) {
  const number = unsaved.size;
  const lost = [];
  if (number) lost.push(`${number} ${number === 1 ? "is" : "are"} not in a downloaded table.`);
  if (labels) lost.push(`This browser forgets your ${labels === 1 ? "label" : "labels"}, too.`);
  return !lost.length || window.confirm(["Forget all photos?", ...lost].join(" "));
}

/** Without a listener while it is not needed: some browsers then keep the page for "Back". */
function watch() {
  if (unsaved.size) window.addEventListener("beforeunload", ask);
  else window.removeEventListener("beforeunload", ask);
}
