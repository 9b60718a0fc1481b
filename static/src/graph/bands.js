/** What lies near a stretch of the plane, without asking everything that there is. Pure. */

const BAND = 800; // plane pixels
const TALL = 24; // bands; what spans more is near everything

export class Bands {
  #bands = new Map();
  #tall = [];

  /** @param {Iterable<[any, {y: number, height: number}]>} boxes By whatever they are the boxes of. */
  constructor(boxes) {
    for (const [key, { y, height }] of boxes) {
      const [first, last] = [Math.floor(y / BAND), Math.floor((y + height) / BAND)];
      if (last - first > TALL) this.#tall.push(key);
      else for (let band = first; band <= last; band += 1) this.#add(band, key);
    }
  }

  /** Everything whose box may touch the plane from `top` to `bottom`; a Set. */
  near(top, bottom) {
    const found = new Set(this.#tall);
    const [first, last] = [Math.floor(top / BAND), Math.floor(bottom / BAND)];
    if (last - first > this.#bands.size) for (const keys of this.#bands.values()) for (const key of keys) found.add(key);
    else for (let band = first; band <= last; band += 1) for (const key of this.#bands.get(band) ?? []) found.add(key);
    return found;
  }

  #add(band, key) {
    if (!this.#bands.has(band)) this.#bands.set(band, []);
    this.#bands.get(band).push(key);
  }
}
