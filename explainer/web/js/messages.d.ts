// Types of the messages that the page gets. `python -m tests.message_types` writes them
// from explainer/web/messages.py.

/** What Python says while the model works. */
interface Busy {
  busy: string;
}

/** A sentence for the person. */
interface Message {
  text: string;
  kind: 'error' | 'note' | 'busy' | '';
}

/** A word of the answer with its reliance on the picture, `part`, 0 to 1. `at` is its place in the answer; `shares` those of picture, prompt and earlier words. */
interface RankedWord {
  at: number;
  subject: Explained;
  text: string;
  share: string;
  part: number;
  label: string;
  needed: boolean;
  shares: number[] | null;
}

/** The words of an answer, highest reliance first. */
interface RankedAnswer {
  run: string;
  sentence: string;
  words: RankedWord[];
}

/** A picture that the model was shown, as a data URI. */
interface ShownPicture {
  src: string;
  label: string;
}

/** How the words of an answer changed. `line` and `verdict` are about the chosen word, "" if it was not said; `rows` about all others that changed, most first. */
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
interface CurveLine {
  label: string;
  share: number[];
  insertion: number[];
  deletion: number[];
}

/** The lowest, or the highest, of the random orders. */
interface CurveBounds {
  insertion: number[];
  deletion: number[];
}

/** The mean of the random orders. */
interface ChanceLine extends CurveLine {
  low: CurveBounds;
  high: CurveBounds;
}

/** Curves of maps, and of random orders once there is one. */
interface CurveChart {
  lines: CurveLine[];
  chance: ChanceLine | null;
}

/** How many pictures the model has read, and the curves that are ready. */
interface MapTestProgress extends Busy {
  done: number;
  total: number;
  word: string;
  chart: CurveChart;
}

/** What the curves of a word's maps mean; the last of the rows is that of the random orders. */
interface MapTestResult {
  chart: CurveChart;
  word: string;
  line: string;
  verdict: string;
  columns: string[];
  rows: string[][];
  rest: string;
}

/** A word that could have stood in place of a chip. */
interface WordCandidate {
  subject: Explained;
  text: string;
  share: string;
}

/** Candidates for each chip, by its number. */
interface WordPlaces {
  run: string;
  answer: string;
  places: WordCandidate[][];
}

/** Words that the model reads on one image: numbers of texts, as many for each cell. */
interface ImageWords {
  shape: [number, number];
  extent: Rectangle;
  frame: Rectangle;
  words: number[];
}

/** Words that the model reads at the places of each image. */
interface PlaceWords {
  texts: string[];
  images: ImageWords[];
}

/** A file to keep, in base64, and what it could not show. */
interface SavedFile {
  name: string;
  mime: string;
  note: string;
  data: string;
}

/** The subject of a word that was typed. */
interface TypedWord {
  run: string;
  subject: Explained;
}

/** Part of a link, and what cannot be in it. */
interface LinkParameters {
  run?: string | null;
  query: Record<string, string>;
  text: string;
}

/** What a link chooses in an answer; `lacks` the words that the run does not hold yet. */
interface LinkChoice {
  run?: string | null;
  subject: Explained | null;
  lacks: string[];
  text: string;
}
