// Types of what the modules share. Those of messages and of words are written by Python, see
// messages.d.ts and words.d.ts.

/** A word of a subject: the tokens where it stands, its texts; `was` is the text in whose place it would stand. */
interface SubjectWord { tokens: number[]; texts: string[]; probability: number | null; was?: string }

/** A word that was not said, as its message tells it. */
interface HeldWord { ids: number[]; texts: string[]; probability: number | null }

/** The last map that was computed by a method, and what it depends on. */
interface LastMap { key: string; images: BackdropImage[]; heat: Heat; map: MethodMap }

/** What was computed, or why nothing was; neither where nothing is computed here. */
type Found = {entry?: Entry; refused?: Refusal};

/** The steps that lead to a map, or why there are none; neither where nothing is computed here. */
type FoundSteps = {steps?: MapSteps; refused?: Refusal};

/** What is drawn, or why nothing is. */
type Shown = (Entry & {refused?: undefined}) | {refused: Refusal; maps?: undefined; need?: undefined};

/** The maps of one run at one layer. */
interface Computing {
  /** Whether it computes the maps of a method. */
  knows(name: string): boolean;
  /** Words that were not said and have no rows yet. */
  lacks(subject: Explained): Explained[];
  /** Take a word as one that was not said, whose rows the run's own message has. */
  hold(word: Explained, held: HeldWord): void;
  /** Add the message of one of them. */
  add(word: Explained, message: ArrayBuffer): void;
  /** Null where the work takes longer than a slice: it goes on when asked again; {} until the state has all that it needs. */
  entry(subject: Explained, now: State): Found | null;
  /** How the map of MSEA + ARC came about, with the guesses at the chip `beside`. */
  steps(subject: Explained, beside: number | null, now: State): FoundSteps | null;
  /** How a map was made; '' while the state lacks the panel or the options. */
  about(map: MethodMap, now: State): string;
}

/** The evidence of a run at a layer, or why there is none; of further words, why they did not come, null until they do. */
interface KeptEvidence { refused: Refusal | null; computing: Computing | null; words: Map<string, Refusal | null> }

/** Where evidence comes from. */
interface EvidenceSource {
  /** Null while it is on its way; {computing: null} where nothing can be computed. */
  of(run: string, layer?: number): {computing?: Computing | null; refused?: Refusal} | null;
  /** Have the rows of a word come; why they do not. */
  bring(run: string, layer: number | undefined, word: Explained): Refusal | null;
  forget(run: string): void;
  /** What was refused may be asked for again. */
  forgive(): void;
}

/** [x0, y0, x1, y1], shares of the picture's width and height. */
type Rectangle = [number, number, number, number];

/** A place of the picture, shares of its width and height. */
interface Place { x: number; y: number }

/** The values of a map on one picture: as bytes in base64, or decoded, 0 to 255. */
interface MapPart extends Omit<DrawnPart, 'data' | 'otsu'> {
  data?: string;
  cells?: ArrayLike<number>;
  otsu?: number | null;
}

/** The map of one method. Without parts, `why` says why there is none. */
interface MethodMap extends Omit<DrawnMap, 'parts'> {
  parts: MapPart[];
  /** What the largest step stands for; 1 if not given. */
  full?: number;
}

/** The maps of one thing that is explained. */
interface Entry extends Omit<DrawnEntry, 'maps' | 'beta'> {
  maps: MethodMap[];
  beta?: number | null;
  /** Milliseconds that computing took. */
  took?: number;
}

/** What Python says in place of maps. */
interface Refusal { text?: string; kind?: string; busy?: string; need?: boolean; heard?: boolean }

type OptionScalar = string | number | boolean | null;

/** Values of the other knobs, {method: {knob: value}}, of the methods that are shown. */
type OptionValue = Record<string, Record<string, OptionScalar>>;

/** What the page shows now. */
interface State {
  /** Id of the run that is shown; null while an answer is under way. */
  run: string | null;
  subject: Explained | null;
  /** What will probably be asked for: all chips, the answer's first. */
  subjects: Explained[];
  /** Chips of the run, in order. */
  chips: BarChip[];
  /** Numbers of the decoder layers that the run can be looked at in, its last one at the end. */
  layers: number[];
  /** How much chips rest on the picture, by index; null if unknown. */
  rests: Record<number, ChipReliance> | null;
  facts: AnswerFacts | null;
  /** A sentence on characters that files of pixels spell out. */
  undrawable: string;
  /** Whether chips of the template are shown. */
  template: boolean;
  /** Whether the next chip extends what is chosen, as with the Shift key. */
  extending: boolean;
  /** What is explained while the pointer rests on it. */
  peek: Explained | null;
  /** Fields that go into every subject. */
  extra: {layer?: number};
  panel: PanelValue | null;
  options: OptionValue | null;
  /** Key of panel and options: maps of another key are never shown. */
  settings: string;
  /** Where maps are computed from; another object once more of it has arrived, or was refused. */
  evidence: {source: EvidenceSource} | null;
  pictures: {run: string | null; images: BackdropImage[]};
  /** Which of several pictures the maps show. */
  image: number;
  /** The maps that are drawn. */
  entry: Entry | null;
  /** What Eq. 9 gave for the maps that are drawn. */
  beta: number | null;
  /** Facts of the chosen model. */
  model: {scales: ModelScales; details: string} | null;
  /** The colour tables by name, 256 colours each. */
  tables: Record<string, Uint32Array>;
  /** Name of the colour table of unsigned maps. */
  colours: string | null;
  opacity: number | null;
  /** Whether the colours cover the picture alike, or by their value. */
  cover: 'all' | 'value';
  /** Names of the methods that are shown, in this order. */
  methods: string[];
  /** What full strength means in all maps; '' for what each method's option says. */
  normalisation: string;
  drawing: 'smooth' | 'cells';
  /** Whether maps have an outline at Otsu's threshold. */
  contour: boolean;
  compare: 'side' | 'blink' | 'difference';
  /** Names of the two methods that are compared; null for the first two that are shown. */
  pair: [string, string] | null;
  /** Whether the second of the pair comes first. */
  flipped: boolean;
  /** How much larger the maps are drawn, and which place lies in the middle. */
  zoom: {scale: number; x: number; y: number};
  /** The place of the picture that is pointed at. */
  probe: Place | null;
  /** Whether the answer plays like a film, and its words in a second. */
  playing: boolean;
  speed: number;
  /** Whether the page, asked for nothing, opens a recorded answer by itself. */
  greets: boolean;
  /** Whether the next run is that answer. */
  greeting: boolean;
}

/** What Gradio hands to the script of a component: its properties, and functions of the server. */
interface Context<Props = object, Server = object> {
  element: HTMLElement;
  /** To set `value` sends it to Python. */
  props: Props;
  trigger(event: string, data?: object): void;
  server: Server;
  watch(property: string, act: () => void): void;
  /** Load a module whose script is not of the page yet; rejected if that was not possible. */
  bring(part: string): Promise<{unfold(context: object): void}>;
}

/** The chips as Python sends them; `live` while an answer is being generated. */
type TokenBarValue = Partial<Omit<BarValue, 'run'>> & {run: string | null, live?: boolean};

/** What the map view shows, and what it asks the server for. */
interface ViewProps {
  value: ViewValue | null;
  colours: string;
  diverging: string;
  methods: MethodChoice[];
  shown: string[];
  words: ViewWords;
}
type ViewValue = Partial<Busy & Omit<Message, 'kind'> & {kind: string, endable: boolean, ended: number, refresh: number}>;
interface ViewServer {
  compared(request: Known<SubjectsCall>): Promise<ComparedMaps | Message>;
  places(request: Known<RunCall>): Promise<PlaceWords | Message>;
  /** Where there is a server that makes files. */
  save?(request: Known<SaveCall>): Promise<SavedFile | Message>;
  progress?(ticket: string): Promise<FilmProgress>;
}

/** The listbox of chips, as `tokens.js` shares it with what extends it. */
interface TokenBar {
  box: HTMLElement;
  chips(): HTMLElement[];
  itemOf(chip: HTMLElement): BarChip | undefined;
  subjectOf(chip: HTMLElement): Explained;
  chipOf(item: BarChip, live: boolean): HTMLElement;
  mark(tokens: number[], unsaid: boolean): void;
  select(chip: HTMLElement): void;
  follow(): void;
  player: {box: HTMLElement; toggle(): void};
}

interface Bounds { low: number; high: number; step: number }

interface Dial {
  box: HTMLElement;
  head: HTMLElement;
  text: HTMLLabelElement;
  put(value: number): void;
  /** Take over bounds that were changed. */
  limit(): void;
}

interface DialOptions {
  name: string;
  label: string;
  bounds: Bounds;
  value: number;
  /** What the reset button gives. */
  reset: number | null;
  title: string;
  /** Hears what the person chose. */
  changed(value: number | null): void;
  says: {number: string; reset: string};
}

interface Document { sightline: any }

// The page looks up HTML elements only.
interface ParentNode {
  querySelector(selectors: string): HTMLElement | null;
  querySelectorAll(selectors: string): NodeListOf<HTMLElement>;
}
interface Element {
  closest(selectors: string): HTMLElement | null;
}

/** Part of a formula: a text, or the name of a MathML element and what is in it. */
type Formula = string | Formula[];

/** A call as far as it is known: what is not chosen yet is null, which Python refuses. */
type Known<T> = {[K in keyof T]: T[K] | null};

/** What a fold asks with a number, or the number alone to stop what it asked before. */
type Question<T> = Partial<Known<T>> & {ask: number, asked?: undefined};

/** What comes for the question with the number `asked`. */
type Answered<T> = {asked: number | null} & (T | Busy | Message);

/** The value of a fold that asks, and gets answers of type T to calls of type C. */
type FoldValue<T, C> = Answered<T> | Question<C> | null;

/** That the server does not answer. */
type Lost = {lost: number, asked?: undefined};

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

