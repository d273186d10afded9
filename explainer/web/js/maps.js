// The maps that are here, and how others come. A table holds the maps of one run under one state
// of all controls: no map can be shown under numbers that are not its own.
import {sightline} from './state.js';

const REST_MS = 250;    // a slider that has not moved for so long is at rest
const MOST_TABLES = 4, MOST_BYTES = 48e6, MOST_ASKED = 256;

/**
 * Keep maps of several settings, and ask for others.
 * @param {(request: object) => Promise<any>} fetch asks Python for {run, subjects, panel, options}
 * @param {() => void} arrived hears of new maps, and of answers without any
 * @param {string} unreachable said if there is no answer
 * @returns {{here(): number, find(subject: Explained): any, ask(subject: Explained): void, fillSoon(): void,
 *   renew(subject: Explained): void, forgive(): void}}
 */
export function mapStore(fetch, arrived, unreachable) {
  const tables = new Map();
  let asking = false, filling = false, resting = 0;

  function table() {
    const {run, settings} = sightline.now, name = `${run} ${settings}`;
    const found = tables.get(name) ?? {name, maps: new Map(), bytes: 0, run};
    tables.delete(name);
    tables.set(name, found);  // the one used last is the last to go
    if (tables.size > MOST_TABLES) tables.delete(tables.keys().next().value);
    return found;
  }

  async function request(subjects) {
    const {run, panel, options} = sightline.now, into = table();
    let got;
    try {
      got = await fetch({run, subjects, panel, options});
    } catch { got = null; }
    got ??= {text: unreachable, kind: 'error'};
    for (const entry of got.maps ?? []) {
      into.maps.set(sightline.canonical(entry.subject), entry);
      into.bytes += entry.maps.reduce((n, map) => n + map.parts.reduce((m, part) => m + (part.data ?? part.cells).length, 0), 0);
    }
    return {...got, into};
  }

  // Ask for one subject; of those that are wanted meanwhile, only the last one is asked for after.
  async function ask(subject) {
    if (asking) return;
    asking = true;
    const got = await request([subject]), key = sightline.canonical(subject);
    if (!got.into.maps.has(key)) got.into.maps.set(key, {refused: got});
    asking = false;
    arrived();
  }

  const lacking = () => {
    const {maps, bytes} = table(), {subject, subjects} = sightline.now;
    if (bytes > MOST_BYTES) return [];
    const at = Math.max(0, subjects.findIndex(s => sightline.key(s) === sightline.key(subject)));
    return subjects.map((subject, i) => ({subject, far: Math.abs(i - at)})).sort((a, b) => a.far - b.far)
      .map(item => sightline.whole(item.subject)).filter(s => !maps.has(sightline.canonical(s)));
  };

  // Bring the maps of all subjects, nearest first, in batches that Python keeps small.
  async function fillRest() {
    if (filling || sightline.now.run === null) return;
    filling = true;
    const {name} = table();
    for (let rest = lacking(), before = Infinity; rest.length < before && rest.length && table().name === name; rest = lacking()) {
      before = rest.length;
      await request(rest.slice(0, MOST_ASKED));
      arrived();
    }
    filling = false;
    if (sightline.now.run !== null && table().name !== name) fillSoon();
  }

  function fillSoon() {
    clearTimeout(resting);
    resting = setTimeout(fillRest, REST_MS);
  }

  return {
    here: () => sightline.now.subjects.filter(s => table().maps.get(sightline.key(s))?.maps).length,
    find: subject => table().maps.get(sightline.key(subject)),
    ask: subject => ask(sightline.whole(subject)),
    fillSoon,
    renew(subject) {  // maps that lacked something are asked for once more
      const {maps} = table(), key = sightline.key(subject);
      if (maps.get(key)?.need) maps.delete(key);
    },
    forgive() {  // what was refused may be asked for again
      for (const {maps} of tables.values()) {
        for (const [key, entry] of maps) if (entry.refused) maps.delete(key);
      }
    },
  };
}
