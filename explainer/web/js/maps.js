// The maps of what is explained: computed here at once, from evidence that was sent once; those of
// methods that ask the model come from the server, and are kept.
import {sightline} from './state.js';

const REST_MS = 250;    // a choice that has not changed for so long is at rest
const MOST_ENTRIES = 48, MOST_COMPARED = 2048, MOST_ASKED = 32;

/**
 * Compute and keep maps, and ask for others.
 * @param {EvidenceSource} source
 * @param {ViewServer['compared']} compared asks for {run, subjects, options}:
 *   entries with the maps of methods that cannot be computed here
 * @param {() => void} arrived hears that `find` may know more now
 * @param {string} unreachable said if there is no answer
 * @returns {{here(): number, find(subject: Explained, asks?: boolean): Shown | null | undefined, fillSoon(): void,
 *   refresh(subject: Explained | null): void, forgive(): void}}
 */
export function mapStore(source, compared, arrived, unreachable) {
  const {now, canonical} = sightline;
  /** @type {Map<string, Shown>} */
  const entries = new Map();
  /** @type {Map<string, Shown>} */
  const answers = new Map();
  let asking = false, filling = false, resting = 0;

  /** @type {(table: Map<string, Shown>, most: number, name: string, value: Shown) => void} */
  function put(table, most, name, value) {
    table.delete(name);
    table.set(name, value);  // the one used last is the last to go
    const [oldest] = table.keys();
    if (table.size > most) table.delete(oldest);
  }

  /** @type {(subject: {layer?: number}) => ReturnType<EvidenceSource['of']>} */
  const evidence = ({layer}) => now.run === null ? null : source.of(now.run, layer);
  /** @type {(subject: Explained) => string} */
  const nameOf = subject => `${now.run} ${now.settings} ${canonical(subject)}`;

  // The methods that are shown and cannot be computed here, with their options.
  /** @type {(computing?: Computing | null) => OptionValue} */
  function others(computing) {
    return Object.fromEntries(Object.entries(now.options ?? {}).filter(([name]) => !computing?.knows(name)));
  }

  /** @type {(subject: Explained, options: OptionValue) => string} */
  const answerName = (subject, options) => `${now.run} ${canonical([subject, options])}`;

  /** @type {(subjects: Explained[], options: OptionValue) => Promise<{got: Refusal, names: string[]}>} */
  async function request(subjects, options) {
    const {run} = now, names = subjects.map(subject => answerName(subject, options));
    /** @type {ComparedMaps | Message} */
    let got = {text: unreachable, kind: 'error'};
    try { got = await compared({run, subjects, options}); } catch { /* said below */ }
    if (!('maps' in got)) return {got, names};
    for (const entry of got.maps) {
      const at = subjects.findIndex(subject => canonical(subject) === canonical(entry.subject));
      put(answers, MOST_COMPARED, names[at], entry);
    }
    return {got: {}, names};
  }

  // Ask for one subject; of those that are wanted meanwhile, only the last one is asked for after.
  /** @type {(subject: Explained, options: OptionValue) => Promise<void>} */
  async function ask(subject, options) {
    if (asking) return;
    asking = true;
    const {got, names: [name]} = await request([subject], options);
    if (!answers.has(name)) answers.set(name, {refused: got});
    asking = false;
    arrived();
  }

  // What is computed of a subject; null where evidence is on its way, or the time of a frame was over.
  /** @type {(subject: Explained, at: {computing?: Computing | null}, asks: boolean) => Found | null} */
  function compute(subject, {computing}, asks) {
    const {run} = now;
    if (!computing || run === null) return {};
    const lacking = computing.lacks(subject);
    for (const word of lacking) {
      const refused = asks && source.bring(run, subject.layer, word);
      if (refused) return {refused};
    }
    if (lacking.length) return null;
    const made = computing.entry(subject, now);
    if (!made) arrived();
    return made;
  }

  /** @type {(subject: Explained, asks: boolean) => Shown | null | undefined} */
  function make(subject, asks) {
    const at = evidence(subject);
    if (!at) return null;
    if (at.refused) return {refused: at.refused};
    const made = compute(subject, at, asks);
    if (!made) return null;
    if (made.refused) return {refused: made.refused};
    const options = others(at.computing), {entry} = made;
    if (!Object.keys(options).length) return entry;
    const answer = answers.get(answerName(subject, options));
    if (!answer && asks) ask(subject, options);
    if (!answer || answer.refused) return answer;
    const all = [...entry?.maps ?? [], ...answer.maps], peaks = entry?.maps.length ? entry.peaks : answer.peaks;
    return {...answer, ...entry, peaks, maps: Object.keys(now.options ?? {}).flatMap(name => all.find(map => map.name === name) ?? [])};
  }

  /** @type {(subject: Explained, asks?: boolean) => Shown | null | undefined} */
  function find(subject, asks = true) {
    const whole = sightline.whole(subject), name = nameOf(whole), found = entries.get(name) ?? make(whole, asks);
    if (found) put(entries, MOST_ENTRIES, name, found);
    return found;
  }

  /** @type {(options: OptionValue) => Explained[]} */
  function wanting(options) {
    const {subject, subjects} = now, at = Math.max(0, subjects.findIndex(s => sightline.key(s) === sightline.key(subject)));
    return subjects.map((one, i) => ({one: sightline.whole(one), far: Math.abs(i - at)})).sort((a, b) => a.far - b.far)
      .map(item => item.one).filter(one => !answers.has(answerName(one, options)));
  }

  // Bring what the server knows of all subjects, nearest first, in batches.
  async function fillRest() {
    const {run, settings} = now, at = evidence(now.extra);
    if (filling || !at || at.refused) return;
    const options = others(at.computing);
    if (!Object.keys(options).length) return;
    filling = true;
    for (let rest = wanting(options), before = Infinity; rest.length && rest.length < before && now.run === run && now.settings === settings; rest = wanting(options)) {
      before = rest.length;
      await request(rest.slice(0, MOST_ASKED), options);
      arrived();
    }
    filling = false;
    if (now.run !== run || now.settings !== settings) fillSoon();
  }

  function fillSoon() {
    clearTimeout(resting);
    resting = setTimeout(fillRest, REST_MS);
  }

  function forgive() {  // what was refused may be asked for again
    for (const table of [entries, answers]) for (const [name, value] of table) if (value.refused) table.delete(name);
    source.forgive();
  }

  return {
    here() {
      const at = evidence(now.extra);
      if (!at || at.refused) return 0;
      const options = others(at.computing);
      return Object.keys(options).length ? now.subjects.length - wanting(options).length : now.subjects.length;
    },
    find,
    fillSoon,
    forgive,
    refresh(subject) {  // the run has grown: a scale was added, or maps that the model makes
      const whole = sightline.whole(subject), key = canonical(whole);
      if (whole && now.run !== null && entries.get(nameOf(whole))?.refused?.need) source.forget(now.run);
      for (const table of [entries, answers]) {
        for (const [name, value] of table) if (value.need && canonical(value.subject) === key) table.delete(name);
      }
      forgive();
    },
  };
}
