// Maps computed here, from the evidence of a run and the state of all controls.
import {aboutMethod, drawnPart, notesOf} from './describe.js';
import {settingsOf} from './methods/base.js';
import {largest} from './methods/display.js';
import {readEvidence, Refusal} from './methods/run.js';
import {explainSubject} from './methods/subjects.js';
import {bytes} from './paint.js';

/**
 * Prepare to compute maps.
 * @param {object} told
 * @param {string} told.evidence the evidence message in base64
 * @param {{methods: Record<string, MethodSpec>, norms: Record<string, Record<string, string>>}} told.declared
 * @param {string[]} told.texts of all chips
 * @param {Words} told.words
 * @param {Chip[]} chips
 * @param {Picture[]} images
 * @returns {{knows(name: string): boolean, entry(subject: Explained, panel: PanelValue, options: OptionValue): Entry | null,
 *   about(map: MethodMap, panel: PanelValue, options: OptionValue): string}} `knows` tells whether it computes the maps of a method,
 *   `entry` is null for what it cannot explain;
 *   `about` says how a map was made; both throw a `Refusal`
 */
export function computing({evidence, declared: {methods, norms}, texts, words}, chips, images) {
  const run = readEvidence(bytes(evidence).buffer);

  // The knobs of a method, from the values of both panels.
  function settings(name, panel, own) {
    const spec = methods[name], has = knob => spec.knobs.some(one => one.name === knob), given = {...own};
    const on = panel.alphas.filter(([, wanted]) => wanted).map(([alpha]) => alpha);
    if (!on.length) throw new Refusal(words.noScale);
    for (const [knob, value] of Object.entries({scales: on, k: panel.k, beta: panel.beta})) if (has(knob)) given[knob] = value;
    if (has('scale_weights') && given.fuse !== 'max') given.scale_weights = weights(panel);
    return settingsOf(spec, given);
  }

  function weights({alphas, weights: all}) {
    const on = alphas.flatMap(([, wanted], i) => wanted ? [all?.[i] ?? 1] : []);
    if (!on.some(weight => weight)) throw new Refusal(words.noWeight);
    return new Set(on).size === 1 ? null : on;
  }

  function normOf(heat) { return norms[heat.norm[0]][heat.norm[1]]; }

  // The tokens that a subject stands for; null for what is no part of the run.
  /** @type {(subject: Explained) => {tokens: number[], text: string, by: string} | null} */
  function wordOf({chip, tokens, by}) {
    if (chip !== undefined) return chips[chip] ? {tokens: chips[chip].tokens, text: chips[chip].text, by: 'max'} : null;
    if (!tokens?.length || !tokens.every(token => token in run.tokens)) return null;
    const inside = chips.filter(item => item.tokens.some(token => tokens.includes(token)));
    const text = inside.map(item => texts[item.index]).join('').trim() || inside.map(item => item.text).join(' ');
    return {tokens, text, by: by ?? 'max'};
  }

  function mapOf(name, heat, text) {
    const {label} = methods[name];
    const parts = heat.parts.map((part, i) => {
      const on = images[i].label ? ` on ${images[i].label}` : '';
      return drawnPart(part, run.images[i], heat.signed, `${label} map of “${text}”${on}`);
    });
    return {name, label, note: notesOf(heat), parts, signed: heat.signed, norm: normOf(heat)};
  }

  return {
    knows: name => name in methods,
    entry(subject, panel, options) {
      const word = wordOf(subject);
      if (!word) return null;
      const shown = Object.keys(options).filter(name => name in methods);
      const heats = Object.fromEntries(shown.map(name => [name, explainSubject(methods[name], run, word, settings(name, panel, options[name]))]));
      const main = heats.msea_arc ?? heats[shown[0]];
      return {
        subject, word: word.text, line: '', maps: shown.map(name => mapOf(name, heats[name], word.text)),
        peaks: (main?.parts ?? []).map(part => Number(largest(part.values.map(Math.abs)).toFixed(3))), beta: heats.msea_arc?.notes.beta_auto ?? null,
      };
    },
    about: ({name, norm}, panel, options) => aboutMethod(methods[name], settings(name, panel, options[name]), norm),
  };
}
