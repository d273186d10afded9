// What maps are computed from: the modules of the methods, and the evidence of runs, each asked for
// once.
import {readTables} from './paint.js';
import {sightline} from './state.js';

const MOST_RUNS = 4;

/** A sentence from the server. */
class Refused extends Error {}

/**
 * Keep what maps are computed from.
 * @param {{module: string, runs: string}} addresses below that of the page
 * @param {() => void} arrived hears of evidence, and of what was refused
 * @param {string} unreachable said if there is no answer
 * @returns {EvidenceSource}
 */
export function evidenceSource({module, runs}, arrived, unreachable) {
  /** @type {Map<string, KeptEvidence | null>} by run and layer; null while it is on its way */
  const kept = new Map();
  let failures = 0;

  /** @type {(address: string, query?: string) => string} */
  const absolute = (address, query = '') => new URL(address + query, document.baseURI).href;

  /** @type {(run: string, subject: Partial<Explained>) => Promise<ArrayBuffer>} */
  async function fetched(run, subject) {
    const query = Object.keys(subject).length ? `?subject=${encodeURIComponent(JSON.stringify(subject))}` : '';
    const answer = await fetch(absolute(`${runs}/${run}`, query));
    if (!answer.ok) throw new Refused((await answer.json()).detail);
    return answer.arrayBuffer();
  }

  // A module that failed to load is asked for by another address, since browsers remember the first.
  function methods() {
    return import(absolute(module, failures ? `?${failures}` : '')).catch(error => { failures += 1; throw error; });
  }

  /** @type {(error: unknown) => Refusal} */
  const refusal = error => ({text: error instanceof Refused ? error.message : unreachable, kind: 'error'});
  /** @type {(run: string, layer?: number) => string} */
  const nameOf = (run, layer) => `${run} ${layer ?? ''}`;

  /** @type {(name: string, run: string, layer?: number) => Promise<void>} */
  async function load(name, run, layer) {
    /** @type {KeptEvidence} */
    const state = {refused: null, computing: null, words: new Map()};
    kept.set(name, null);
    try {
      const [{computing, told}, message] = await Promise.all([methods(), fetched(run, layer === undefined ? {} : {layer})]);
      state.computing = computing(message, told, true);
      sightline.set({tables: readTables(told.tables)});
    } catch (error) { state.refused = refusal(error); }
    if (!kept.has(name)) return;  // forgotten meanwhile
    kept.set(name, state);
    for (const other of [...kept.keys()].slice(0, -MOST_RUNS)) kept.delete(other);
    arrived();
  }

  /** @type {(state: KeptEvidence, run: string, layer: number | undefined, word: Explained, key: string) => Promise<void>} */
  async function bring(state, run, layer, word, key) {
    state.words.set(key, null);
    try {
      state.computing?.add(word, await fetched(run, layer === undefined ? word : {...word, layer}));
      state.words.delete(key);
    } catch (error) { state.words.set(key, refusal(error)); }
    arrived();
  }

  return {
    of(run, layer) {
      const name = nameOf(run, layer), state = kept.get(name);
      if (!kept.has(name)) load(name, run, layer);
      return state ? state.refused ? {refused: state.refused} : {computing: state.computing} : null;
    },
    bring(run, layer, word) {
      const state = kept.get(nameOf(run, layer)), key = JSON.stringify(word);
      if (state && !state.words.has(key)) bring(state, run, layer, word, key);
      return state?.words.get(key) ?? null;
    },
    forget(run) { for (const name of kept.keys()) if (name.startsWith(`${run} `)) kept.delete(name); },
    forgive() {
      for (const [name, state] of kept) {
        if (state?.refused) kept.delete(name);
        for (const [key, refused] of state?.words ?? []) if (refused) state?.words.delete(key);
      }
    },
  };
}
