// How photos come in: chosen, taken with the camera, dropped (folders too) or pasted.

/**
 * Call `add` with [{name, file}] each time photos come in.
 * @param {(id: string) => HTMLElement} $
 * @param {(files: {name: string, file: File | null}[]) => void} add null: it cannot be opened
 */
export function watchIntake($, add) {
  for (const [button, input] of [["choose", "files"], ["shoot", "camera"]]) {
    $(button).addEventListener("click", () => $(input).click());
    $(input).addEventListener("change", () => {
      add(named($(input).files));
      $(input).value = ""; // so that the same file can be chosen again
    });
  }

  document.addEventListener("paste", (event) => add(named(event.clipboardData.files)));

  let depth = 0; // dragenter and dragleave come for every child
  const mark = () => $("intake").classList.toggle("over", depth > 0);
  document.addEventListener("dragenter", () => { depth += 1; mark(); });
  document.addEventListener("dragleave", () => { depth -= 1; mark(); });
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", async (event) => {
    event.preventDefault();
    depth = 0;
    mark();
    add(await dropped(event.dataTransfer));
  });
}

function named(files) {
  return Array.from(files, (file) => ({ name: file.name, file }));
}

/** The dropped files, those inside of dropped folders named with their path. */
async function dropped(transfer) {
  // Entries have to be taken before the first await: afterwards the transfer is empty.
  const entries = Array.from(transfer.items, (item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return named(transfer.files);
  const found = [];
  for (const entry of entries) await walk(entry, "", found);
  return found;
}

async function walk(entry, folder, found) {
  // .DS_Store and the like are not what somebody dropped a folder for.
  if (folder && entry.name.startsWith(".")) return;
  const name = folder + entry.name;
  try {
    if (entry.isFile) {
      found.push({ name, file: await promised(entry, "file") });
      return;
    }
    const reader = entry.createReader();
    for (;;) {
      // A reader gives at most 100 entries at a time, and none at the end.
      const some = await promised(reader, "readEntries");
      if (!some.length) return;
      for (const child of some) await walk(child, `${name}/`, found);
    }
  } catch {
    found.push({ name, file: null }); // gets a card that says so; the others go on
  }
}

/** This interface is older than promises. */
function promised(object, method) {
  return new Promise((resolve, reject) => object[method](resolve, reject));
}
