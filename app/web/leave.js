// Asks before the page is left, or loaded again, while that would lose something.

const ask = (event) => event.preventDefault();

/** Without a listener while it is not needed: some browsers then keep the page for "Back". */
export function askBeforeLeaving(needed) {
  if (needed) window.addEventListener("beforeunload", ask);
  else window.removeEventListener("beforeunload", ask);
}
