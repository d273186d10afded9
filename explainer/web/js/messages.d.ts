// Types of the messages that sections of the page get from Python.

/** What Python says while the model works. */
interface Busy { busy: string }

/** A sentence for the person. */
interface Message { text: string; kind: string }

/** What comes for the question with the number `asked`. */
type Answered<T> = {asked: number | null} & (T | Busy | Message);

/** A word of the answer with its reliance on the picture. */
interface RankedWord {
  /** Its place in the answer. */
  at: number;
  subject: Explained;
  text: string;
  share: string;
  part: number;
  label: string;
  needed: boolean;
  /** What it rests on: picture, prompt and earlier words; null if that is unknown. */
  shares: number[] | null;
}

interface Ranking { run: string; sentence: string; words: RankedWord[] }

/** That an answer is about a masked picture, and what was shown before. */
interface MaskNote { run: string | null; note: string; before: {run: string; subject: Explained | null} }

interface ShownPicture { src: string; label: string }

/** How the words of an answer changed when a region was hidden. */
interface HidingResult {
  word: string;
  line: string;
  verdict: string;
  note: string;
  columns: string[];
  rows: string[][];
  rest: string;
  pictures: ShownPicture[];
}

/** Probabilities of a word over the share of the picture that is shown, or gone. */
interface CurveLine { label: string; share: number[]; insertion: number[]; deletion: number[] }

type CurveBounds = Record<'insertion' | 'deletion', number[]>;

/** Curves of maps, and of random orders once there is one. */
interface CurveChart { lines: CurveLine[]; chance: CurveLine & {low: CurveBounds; high: CurveBounds} | null }

interface MapTestProgress extends Busy { done: number; total: number; word: string; chart: CurveChart }

interface MapTestResult { chart: CurveChart; word: string; line: string; verdict: string; columns: string[]; rows: string[][]; rest: string }

/** A word that could have stood in place of a chip. */
interface WordCandidate { subject: Explained; text: string; share: string }

/** Candidates for each chip, by its number. */
interface WordPlaces { run: string; answer: string; places: WordCandidate[][] }

/** The subject of a word that was typed. */
interface TypedWord { subject: Explained }

/** Settings of the page by their names in its state; the outline is "on" or "off". */
interface PageSettings {
  panel: PanelValue;
  options: OptionValue;
  opacity: number;
  cover: 'all' | 'value';
  colours: string;
  normalisation: string;
  drawing: 'smooth' | 'cells';
  contour: 'on' | 'off';
  speed: number;
}

/** Settings to start with; `asks` whether the link asks something of the model. */
interface RestoredLink { settings: PageSettings; asks: boolean; layer: number | null; text: string }

/** What a link chooses in an answer; `lacks` the words that the run does not hold yet. */
interface LinkChoice { subject: Explained | null; lacks: string[]; text: string }

/** Part of a link, and what cannot be in it. */
interface LinkParameters { query: Record<string, string>; text: string }

/** How far a model is loaded; `fraction` is null while that is unknown, `ticket` stops it. */
interface ModelLoad { name: string; stage: string; fraction: number | null; seconds: number; ticket: string }

interface ModelGroup { label: string; models: {id: string; text: string}[] }

/** Scale factors that a model can be read at, and why not more. */
interface ModelScales { low?: number; high?: number; why?: string }

/** All that the model menu draws; `starting` while the server loads its first model, `choices` as the page sent it. */
interface ModelMenu {
  model: string;
  groups: ModelGroup[];
  any: boolean;
  line: string;
  /** Address of the page of the chosen model, "" for those of this machine. */
  link: string;
  details: string;
  scales: ModelScales;
  said: Message;
  starting: ModelLoad | null;
  choices?: number;
}

/** Words that the model reads on one image: numbers of texts, as many for each cell. */
interface ImageReadings { shape: [number, number]; extent: Rectangle; frame: Rectangle; words: number[] }

interface Readings { texts: string[]; images: ImageReadings[] }

/** A file to keep, in base64, and what it could not show. */
interface SavedFile { name: string; mime: string; note: string; data: string }

/** The chips; `live` while an answer is being generated. */
interface TokenBarValue {
  run: string | null;
  subject: Explained | null;
  chips: Chip[];
  live?: boolean;
  layers?: number[];
  rests?: Record<number, Reliance> | null;
  undrawable?: string;
  facts?: Facts | null;
}

/** One guess of a list: the rank that it has in the other one, and what it adds to the overlap. */
interface Guess { text: string; other: number | null; gain: number; label: string }

/** The guesses at an earlier chip, and those at the word's own place. */
interface GuessPair { chip: number; text: string; lists: {title: string; rows: Guess[]}[] }

/** A step of the equation: a picture and a caption for each image. */
interface MapStep { title: string; parts: MapPart[]; captions: string[] }

/** The map of one scale; `shares` says how much it counts, for each image. */
interface ScaleStep { alpha: number; grids: string[]; shares: string[] | null; parts: MapPart[] }

/** An earlier word: its relevance, its weight, and its part of the interference. */
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

/** How a map came about; colours end at `peaks`. */
interface MapSteps {
  word: string;
  note: string;
  signed: boolean;
  peaks: {scales: string; steps: string};
  max: boolean;
  about: string;
  symbols: string;
  scales: ScaleStep[];
  steps: Record<'fused' | 'interference' | 'before' | 'after', MapStep>;
  beta: {value: string; caption: string};
  words: EarlierWord[];
  base: string;
  legend: string;
  pair: GuessPair | null;
}

/** A knob without a slider: one of `choices`, or a number within bounds. */
interface OptionKnob {
  name: string;
  kind: string;
  default: OptionScalar;
  meaning: string;
  choices?: string[];
  low?: number;
  high?: number;
  step?: number;
  advanced?: boolean;
}

/** The options of a method; knobs are numbers in the list of all. */
interface MethodOptions { name: string; label: string; summary: string; paper: string; presets: Record<string, Record<string, OptionScalar>>; knobs: number[] }
