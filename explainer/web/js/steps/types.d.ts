// Types of the steps that lead to a map, as `captions.js` describes and `step_by_step.js` draws them.

/** One guess of a list: its rank in the other one, and what it adds to the overlap. */
interface Guess {
  text: string;
  other: number | null;
  gain: number;
  label: string;
}

/** The guesses at one place, best first. */
interface GuessList {
  title: string;
  rows: Guess[];
}

/** The guesses at an earlier chip, and those at the word's own place. */
interface GuessPair {
  chip: number;
  text: string;
  lists: GuessList[];
}

/** A word before the explained one: relevance, weight, and its part of the interference. */
interface EarlierWord {
  chip: number;
  text: string;
  role: string;
  label: string;
  relevance: number;
  weight: number;
  part: number;
  share: string;
  repeat: boolean;
}

/** A step of the equation: a picture and a caption for each image. */
interface MapStep {
  title: string;
  parts: MapPart[];
  captions: string[];
}

/** The map of one scale; `shares` says how much it counts, for each image. */
interface ScaleStep {
  alpha: number;
  grids: string[];
  shares: string[] | null;
  parts: MapPart[];
}

/** The scores at the end of the colours. */
interface StepPeaks {
  scales: string;
  steps: string;
}

/** The factor of Eq. 9, and what there is to say of it. */
interface Factor {
  value: string;
  caption: string;
}

/** How a map came about: maps of scales, steps of the equation, earlier words, guesses. */
interface MapSteps {
  word: string;
  note: string;
  signed: boolean;
  peaks: StepPeaks;
  max: boolean;
  about: string;
  symbols: string;
  scales: ScaleStep[];
  steps: Record<'fused' | 'interference' | 'before' | 'after', MapStep>;
  beta: Factor;
  words: EarlierWord[];
  base: string;
  legend: string;
  pair: GuessPair | null;
}
