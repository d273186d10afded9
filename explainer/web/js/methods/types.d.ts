// Types of the methods in `js/methods/`: a run as the evidence message tells it, and maps of it.
// Words are numbered in the order of `ids`; T text tokens, W words, n cells of a scale, K guesses.

/** A grid of visual tokens on one image: edges of its cells in pixels, increasing. */
interface MapGrid { y: ArrayLike<number>; x: ArrayLike<number> }

/** A grid of a scale; its values begin at `at` among the n cells of the scale. */
interface RunView extends MapGrid { image: number; at: number }

interface RunScale {
  alpha: number;
  /** The word of A_0 among ordinary ids. */
  base: number;
  /** The same among all ids; null in older runs. */
  least: number | null;
  /** Image after image, base views first. */
  views: RunView[];
  /** n, the values of one word. */
  size: number;
  /** (W, n) in steps, see docs/formats.md. */
  maps: Int16Array;
  up: Float32Array;
  down: Float32Array;
}

/** The JSON at the head of an evidence message; `at` counts bytes after it. */
interface EvidenceHeader {
  images: [number, number][];
  scales: {alpha: number; base: number; least: number | null; views: Omit<RunView, 'at'>[]}[];
  first_guess: number | null;
  guess_texts: string[];
  arrays: {name: string; type: string; shape: number[]; at: number}[];
}

/** The header of the message of one more word. */
interface WordHeader extends EvidenceHeader { alphas: number[]; texts: string[]; probability: number | null }

interface RunEvidence {
  /** Height and width of each image in pixels. */
  images: [number, number][];
  /** The first is that of alpha = 1. */
  scales: RunScale[];
  /** The word that TAM as published takes for the first prompt token. */
  firstGuess: number | null;
  /** (W,) vocabulary ids. */
  ids: Int32Array;
  /** (T,) the word of each token. */
  tokens: Int32Array;
  roles: Uint8Array;
  positions: Int32Array;
  tokenTexts: Int32Array;
  wordTexts: Int32Array;
  tokenFolds: Int32Array;
  wordFolds: Int32Array;
  /** (T + 1, K), 0 where there is no state. */
  guesses: Uint16Array | Int32Array;
  /** K. */
  depth: number;
  /** The text of each guess, as it is drawn; the first is that of guess 1. */
  guessTexts: string[];
  /** (W, T + 1). */
  scores: Float32Array;
  /** What was derived from the maps, shared by runs that differ in a token only. */
  kept: Map<string, any>;
  /** The run with another word in place of a token, by place and word. */
  said: Map<string, RunEvidence>;
}

/** What a run lacks of a word that was not said: rows for its pieces. */
interface MoreWord {
  ids: Int32Array;
  texts: string[];
  probability: number | null;
  maps: {alpha: number; maps: Int16Array; up: Float32Array; down: Float32Array}[];
  scores: Float32Array;
  wordTexts: Int32Array;
  wordFolds: Int32Array;
}

/** Where the cells of a map lie, [x0, y0, x1, y1] in pixels: what they show, and whole cells. */
interface MapPlacement { extent: Rectangle; frame: Rectangle }

/** The map over one image; values row by row. */
interface HeatPart { values: Float32Array; shape: [number, number]; placement: MapPlacement }

/** The map of one thing. `norm` names what 1.0 means: a kind of scale and the normalisation. */
interface Heat { parts: HeatPart[]; signed: boolean; norm: [string, string]; notes: Record<string, number> }

/** One control of a method, as Python declares it. */
interface KnobSpec {
  name: string;
  kind: string;
  default: KnobValue;
  low: number;
  high: number;
  step: number;
  choices: string[];
  most: number;
}

/** How cleaned maps become numbers between 0 and 1; `name` tells all settings of a method apart. */
interface Finishing { normalisation: string; window?: number; border?: string; name: string }

type KnobValue = string | number | boolean | number[] | null;

/**
 * All knobs of a method with their values, which `settingsOf` has checked; it has no others. Maps
 * that are compared have a normalisation of their own.
 */
type Settings = Omit<KnobValues, 'normalisation'> & {normalisation: string};

/** Tokens of the run that are explained as one, joined by `by`. */
interface SaidWord { tokens: number[]; by?: string }

/** Words, by vocabulary ids, that might have stood in place of the token at `at`. */
interface UnsaidWord { at: number; ids: number[]; by?: string }

type ExplainedWord = SaidWord | UnsaidWord;

/** One word against another. */
interface WordContrast { plus: ExplainedWord; minus: ExplainedWord }

/** Return a value that was made before, or make it and keep it. */
type Keep<T> = (key: string, make: () => T) => T;

/** Eq. 5 to 9 for a token; `weights` has one entry more than there are tokens if there is an A_0. */
interface Derived { own: Float32Array; weights: Float64Array; interference: Float64Array; cleaned: Float32Array; beta: number; auto: number }

/** The maps of a token at one scale; `shares` of it in the mean of Eq. 5 for each image, null for the maximum. */
interface ScaleMap { alpha: number; parts: HeatPart[]; shares: number[] | null }

/** The t tokens before one, and A_0: r_j, which are repeats, weights of Eq. 8, and shares in what is subtracted. */
interface StepContext {
  /** NaN for tokens that do not count. */
  relevance: Float64Array;
  repeats: boolean[];
  weights: Float64Array;
  shares: Float64Array;
  baseWeight: number;
  baseShare: number;
}

/** All intermediate quantities of the map of one token; maps are logits, except `heat`. */
interface Anatomy {
  token: number;
  scales: ScaleMap[];
  /** A_t of Eq. 5. */
  fused: HeatPart[];
  /** Ahat_t of Eq. 8. */
  interference: HeatPart[];
  /** beta Ahat_t. */
  subtracted: HeatPart[];
  /** max(0, A_t - beta Ahat_t). */
  before: HeatPart[];
  heat: Heat;
  beta: number;
  betaAuto: number;
  context: StepContext;
  signed: boolean;
}

/** Two lists of guesses, by their numbers, and those in both with their ranks from 1 and their gain. */
interface Overlap { first: number[]; second: number[]; shared: {guess: number; first: number; second: number; gain: number}[]; relevance: number }

/** A method, as Python declares it. */
interface MethodSpec { name: string; label: string; knobs: KnobSpec[]; presets: Record<string, Partial<Settings>>; held: Partial<Settings> }

/** Explain tokens with all knobs set: one map for each token. */
type ExplainTokens = (run: RunEvidence, tokens: number[], settings: Settings) => Heat[];
