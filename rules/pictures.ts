/** Holds the dark picture of the product to the light one, which is drawn by hand: only the colours differ. */
import type { Finding } from './finding.ts';
import type { Tree } from './tree.ts';

const LIGHT = 'docs/pictures/certbus-light.svg';
/** Where the dark picture is, from the repository's root. */
export const DARK = 'docs/pictures/certbus-dark.svg';

/** The colour of a light page, and the one in its place on a dark page. */
const COLOURS: Readonly<Record<string, string>> = {
  '#ffffff': '#0d1117',
  '#f6f8fa': '#161b22',
  '#d1d9e0': '#3d444d',
  '#8c959f': '#7d8590',
  '#ddf4ff': '#10243e',
  '#0969da': '#4493f8',
  '#fff8c5': '#2b2111',
  '#bf8700': '#d29922',
  '#d4a72c': '#845306',
  '#dafbe1': '#12261e',
  '#1a7f37': '#3fb950',
  '#4ac26b': '#2ea043',
  '#59636e': '#9da7b3',
  '#1f2328': '#e6edf3',
};

/** The dark picture, as the light one makes it; `undefined` where there is no light one. Throws where it has a colour that is not known here. */
export function darkPicture({ documents }: Tree): string | undefined {
  return documents.get(LIGHT)?.replaceAll(/#[0-9a-f]{6}\b/g, (colour) => {
    const dark = COLOURS[colour];
    if (dark === undefined)
      throw new Error(`${LIGHT} has the colour ${colour}: add the one of dark pages to rules/pictures.ts`);
    return dark;
  });
}

/** Finds a dark picture that is not the light one in other colours. */
export function outdatedPicture(tree: Tree): Finding[] {
  const dark = darkPicture(tree);
  if (dark === undefined || tree.documents.get(DARK) === dark) return [];
  const what = 'the dark picture is not the light one in other colours';
  return [{ rule: 'picture', where: DARK, what, remedy: 'Run `npm run fix`, and look at it' }];
}
