// Types of the words that scripts get, from Python.
// `python -m tests.message_types` writes them.

interface ModelWords {model: string, typed: string, load: string, cancel: string, page: string}

interface RestsWords {menu: string, menuLong: string, legend: string, order: string, orders: {said: string, rests: string}, filter: string, measuring: string}

interface LayerWords {label: string, meaning: string}

interface DialWords {number: string, reset: string}

interface ShadesWords {number: string, reset: string, opacity: string, opacityLong: string, cover: string, coverLong: string, covers: {value: string, all: string}, colours: string}

interface SlidersWords {number: string, reset: string, opacity: string, opacityLong: string, cover: string, coverLong: string, covers: {value: string, all: string}, colours: string, sliders: string, scale: string, use: string, k: string, beta: string, auto: string, autoLong: string}

interface OptionsWords {preset: string, presetLong: string, open: string}

interface ExamplesWords {list: string}

interface PlayingWords {list: string, answer: string, thought: string, prompt: string, earlier: string, system: string, earlier_prompt: string, earlier_answer: string, template: string, play: string, pause: string, speed: string, speedLong: string}

interface SaveWords {save: string, saveLong: string, formats: {png: string[], svg: string[], gif: string[], webp: string[], html: string[], json: string[], npz: string[]}, paper: string, papers: {light: string, dark: string}, busy: string, frames: string, saved: string, failed: string}

interface ViewWords {welcome: string, pictures: string, atMost: string, unreachable: string, silent: string, interrupted: string, methods: string, methodsLong: string, asking: string, compare: string, compareHow: {side: string, blink: string, difference: string}, first: string, second: string, flip: string, flipLong: string, differenceNorm: string, differenceAlt: string, looks: string, looksLong: string, drawing: string, drawings: {smooth: string, cells: string}, normalisation: string, normalisations: {'': string, token: string, joint: string, answer: string}, contour: string, contourLong: string, zoom: string, smaller: string, larger: string, whole: string, frame: string, place: string, placeSays: string, unseen: string, end: string, ended: string, again: string, saving: {save: string, saveLong: string, formats: {png: string[], svg: string[], gif: string[], webp: string[], html: string[], json: string[], npz: string[]}, paper: string, papers: {light: string, dark: string}, busy: string, frames: string, saved: string, failed: string}}

interface ComputedWords {noScale: string, noWeight: string, absent: string, adding: string, against: string, chance: string, chances: string, places: {template: string, prompt: string, answer: string, system: string, earlier_prompt: string, earlier_answer: string}, inPlace: string, spaced: string, unspaced: string, atLayer: string}

interface FileWords {absent: string, unknown: string, theme: string, print: string, home: string, present: string, presentLong: string, presentCode: string, blank: string, code: string}

interface FileSlidersWords {number: string, reset: string, opacity: string, opacityLong: string, cover: string, coverLong: string, covers: {value: string, all: string}, colours: string, sliders: string, scale: string, use: string, k: string, beta: string, auto: string, autoLong: string, weight: string, useScale: string}

interface StepWords {title: string, method: string, sizes: string, map: string, earlier: string, beta: string, patches: string, counts: string, weight: string, repeat: string, equation: string, all: string, few: string, waiting: string, unreachable: string}

interface StepCaptionsWords {sizes: {mean: string, max: string}, symbols: string, titles: {fused: string, interference: string, before: string, after: string}, fused: {mean: string, max: string}, clip: {fused: string, per_scale: string, none: string}, fusedEmpty: string, interference: {rbo: string, uniform: string, score: string}, most: string, nothing: string, betaAuto: string, betaSet: string, betaZero: string, before: string, smooth: string, rough: string, after: string, contrast: string, pieces: string, words: string, noWords: string, repeat: string, label: string, labelRepeat: string, base: string, list: {predicting: string, own: string}, shared: string, pair: string, alike: ([number, string])[], counts: ([number, string])[], noPart: {uniform: string, score: string, none: string}, same: string, share: string, dark: string}

interface WordsBesideRowWords {instead: string, list: string, not: string, contrast: string, typed: string, typedNot: string, by: string, combine: {max: string, mean: string, first: string}, whole: string, wholeLong: string, extend: string, extendLong: string, template: string, templateLong: string, edit: string, editLong: string, read: string, cancel: string}

interface ConversationWords {title: string, prompt: string, ask: string, anew: string, unreachable: string}

interface EagleWords {title: string, about: string, flagged: string, target: string, targets: {word: string, answer: string, counter: string}, parts: string, kinds: {superpixels: string, cells: string}, count: string, counts: {'16': string, '36': string, '64': string}, hiding: string, hidings: {pixels: string, tokens: string}, search: string, searchLong: string, correct: string, correctLong: string, stop: string, stopLong: string, progress: string, stopped: string, before: string, after: string, agreement: string, map: string, drawn: string, waiting: string, unreachable: string}

interface GlanceWords {title: string, about: string, sources: {picture: string, prompt: string, words: string}, order: string, orders: {rests: string, said: string, picture: string, prompt: string, words: string}, filter: string, filters: {all: string, picture: string, prompt: string, words: string}, needs: string, free: string, none: string, waiting: string, busy: string, unreachable: string}

interface HelpDialogWords {open: string, title: string, close: string, or: string}

interface HidingWords {title: string, about: string, how: string, hows: {hide: string, keep: string, box: string}, draw: string, drawLong: string, drawing: string, map: string, fill: string, fills: {mean: string, black: string, blur: string}, measure: string, measureLong: string, again: string, againLong: string, word: string, waiting: string, unreachable: string}

interface HidingMaskedWords {back: string}

interface LinksBarWords {link: string, present: string, reset: string, linkTitle: string, presentTitle: string, resetTitle: string, blank: string, copied: string, copyThis: string, bringing: string, wasReset: string, unreachable: string}

interface MapTestWords {title: string, about: string, fill: string, fills: {mean: string, black: string, blur: string}, steps: string, stepChoices: {'10': string, '20': string, '40': string}, measure: string, measureLong: string, stop: string, stopLong: string, waiting: string, unreachable: string, progress: string, map: string, plots: {insertion: {title: string, below: string}, deletion: {title: string, below: string}}, alt: string}

interface TourWords {offer: string, again: string, title: string, count: string, skip: string, back: string, next: string, done: string, unreachable: string, steps: {chips: {title: string, text: string}, maps: {title: string, text: string}, sliders: {title: string, text: string}, steps: {title: string, text: string}, test: {title: string, text: string}}}
