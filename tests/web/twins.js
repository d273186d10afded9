// The cases that Python wrote, and what the page's modules make of them.
import {readFileSync} from 'node:fs';

import {aboutMethod} from '../../explainer/web/js/describe.js';
import {settingsOf} from '../../explainer/web/js/methods/base.js';
import {METHODS} from '../../explainer/web/js/methods/registry.js';
import {readEvidence, Refusal} from '../../explainer/web/js/methods/run.js';
import {explainSubject} from '../../explainer/web/js/methods/subjects.js';

/** The bytes of base64, at an address that suits any typed array. */
export function buffer(data) {
  const bytes = Buffer.from(data, 'base64');
  return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
}

/** What Python wrote, with runs that were read; null where there is none. */
export function told() {
  const path = process.env.SIGHTLINE_CASES;
  if (!path) return null;
  const {declared, runs, cases} = JSON.parse(readFileSync(path, 'utf8'));
  return {declared, cases, runs: Object.fromEntries(Object.entries(runs).map(([name, data]) => [name, readEvidence(buffer(data))]))};
}

/** The heat of a case, or the sentence of a refusal. */
export function answered({declared, runs}, {run, method, subject, knobs, preset}) {
  const spec = declared.methods[method];
  try {
    const settings = settingsOf(spec, knobs, preset), heat = explainSubject(spec, runs[run], subject, settings);
    return {heat, about: aboutMethod(spec, settings, declared.norms[heat.norm[0]][heat.norm[1]])};
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return {error: error.message};
  }
}

/** The names of the settings that the function of a method reads, each by itself: a copy of all is no reading. */
export function readBy(spec, run, settings) {
  const names = new Set();
  const watched = new Proxy(settings, {
    get: (all, name) => { names.add(name); return all[name]; },
    ownKeys: () => [],
  });
  try {
    METHODS[spec.name](run, [run.tokens.length - 1], watched);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
  }
  return names;
}
