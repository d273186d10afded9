// What several tests of the modules need: small maps, and a random generator with a seed.

/** A map part of these steps, over the whole picture unless told otherwise. */
export function part(shape, cells, more = {}) {
  return {shape, cells: Uint8Array.from(cells), extent: [0, 0, 1, 1], frame: [0, 0, 1, 1], alt: '', ...more};
}

/** Random numbers from 0 to 1 (mulberry32). */
export function random(seed) {
  return () => {
    seed = seed + 0x6d2b79f5 | 0;
    let t = Math.imul(seed ^ seed >>> 15, 1 | seed);
    t = t + Math.imul(t ^ t >>> 7, 61 | t) ^ t;
    return ((t ^ t >>> 14) >>> 0) / 4294967296;
  };
}

/** Random steps of a map. */
export const randomCells = (next, count) => Array.from({length: count}, () => Math.floor(256 * next()));
