// Tells files apart, whichever way they come in: only those of dropped folders have a path.

/**
 * Cameras restart their numbering, so the name alone tells too little. Two files that agree in all
 * of this, within folders of their own too, are taken for one.
 * @returns {string | null} null: the file cannot be opened
 */
export function identity({ name, file }) {
  return file && `${file.size} ${file.lastModified} ${name}`;
}

/** Values by the identities of files. */
export class ByFile {
  #groups = new Map(); // of those that agree in all but their folders: identity to value

  set(id, value) {
    const group = withoutFolders(id);
    if (!this.#groups.has(group)) this.#groups.set(group, new Map());
    this.#groups.get(group).set(id, value);
  }

  /** Of this file; or of the only one that may be it, as more or fewer of its folders are known. */
  get(id) {
    const group = this.#groups.get(withoutFolders(id));
    if (!group || group.has(id)) return group?.get(id);
    const some = [...group].filter(([other]) => isPartOf(id, other) || isPartOf(other, id));
    return some.length === 1 ? some[0][1] : undefined;
  }
}

/** Size and time, and the name with its folders. */
function parts(id) {
  return id.match(/^(\S+ \S+ )(.*)$/s).slice(1);
}

function withoutFolders(id) {
  const [version, name] = parts(id);
  return version + name.slice(name.lastIndexOf("/") + 1);
}

function isPartOf(id, other) {
  return parts(other)[1].endsWith(`/${parts(id)[1]}`);
}
