/** Undo and redo over immutable drafts. Pure. */

const LIMIT = 200;
const MERGE_MS = 1500; // typing into one field within this is one step back

export class History {
  constructor(present) {
    this.present = present;
    this.past = [];
    this.future = [];
    this.mergeKey = null;
    this.at = 0;
  }

  /** Go on to `next`. Changes with the same `merge` key in quick succession are undone together. */
  commit(next, { merge = null, now = Date.now() } = {}) {
    if (next === this.present) return;
    const isMerged = merge !== null && merge === this.mergeKey && now - this.at < MERGE_MS;
    if (!isMerged) this.past = [...this.past, this.present].slice(-LIMIT);
    this.present = next;
    this.future = [];
    this.mergeKey = merge;
    this.at = now;
  }

  /** Apply `change` to every draft there is: something was learned that is as true of the past. */
  amend(change) {
    this.present = change(this.present);
    this.past = this.past.map(change);
    this.future = this.future.map(change);
  }

  get canUndo() {
    return this.past.length > 0;
  }

  get canRedo() {
    return this.future.length > 0;
  }

  undo() {
    if (!this.canUndo) return;
    this.future = [this.present, ...this.future];
    this.present = this.past.at(-1);
    this.past = this.past.slice(0, -1);
    this.mergeKey = null;
  }

  redo() {
    if (!this.canRedo) return;
    this.past = [...this.past, this.present];
    [this.present, ...this.future] = this.future;
    this.mergeKey = null;
  }
}
