/** Things that can be made again, up to a number of bytes; what was not used for longest goes first. */

export class Cache {
  /** @param {number} limit in bytes */
  constructor(limit) {
    this.limit = limit;
    this.held = 0;
    this.entries = new Map();
  }

  /**
   * @template K, V
   * @param {K} key
   * @param {() => V} make called if it is not held
   * @param {number} size in bytes
   * @returns {V}
   */
  get(key, make, size) {
    const entry = this.entries.get(key) ?? { value: make(), size };
    if (!this.entries.delete(key)) this.held += size;
    this.entries.set(key, entry); // last: used most lately
    for (const [oldest, { size: freed }] of this.entries) {
      if (this.held <= this.limit || oldest === key) break;
      this.entries.delete(oldest);
      this.held -= freed;
    }
    return entry.value;
  }

  /** @returns {any} what is held under a key, or undefined; does not count as use */
  peek(key) {
    return this.entries.get(key)?.value;
  }
}
