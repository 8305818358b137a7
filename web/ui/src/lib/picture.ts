import { escaped } from './words';

/** What a picture of the map is made of, in pixels of the screen. */
export interface Scene {
  width: number;
  height: number;
  ground: string;
  ink: string;
  radius: number;
  dots: { x: number; y: number; colour: string; title: string }[];
  labels: { x: number; y: number; text: string }[];
  legend: { name: string; colour: string }[];
}

const ROW = 20;
const MOST_ROWS = 30;

export function asSvg(scene: Scene): string {
  const rows = scene.legend.slice(0, MOST_ROWS);
  const width = scene.width + (rows.length ? 240 : 0);
  const height = Math.max(scene.height, rows.length * ROW + 20);
  const dots = scene.dots.map(
    (d) =>
      `<circle cx="${d.x.toFixed(1)}" cy="${d.y.toFixed(1)}" r="${scene.radius}" fill="${d.colour}"><title>${escaped(d.title)}</title></circle>`,
  );
  const labels = scene.labels.map(
    (l) =>
      `<text x="${l.x.toFixed(1)}" y="${l.y.toFixed(1)}" text-anchor="middle" stroke="${scene.ground}" stroke-width="4" paint-order="stroke">${escaped(l.text)}</text>`,
  );
  const legend = rows.map(
    (l, i) =>
      `<circle cx="${scene.width + 16}" cy="${20 + i * ROW}" r="6" fill="${l.colour}"/><text x="${scene.width + 30}" y="${24 + i * ROW}">${escaped(l.name)}</text>`,
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="Inter, system-ui, sans-serif" font-size="13" fill="${scene.ink}">`,
    `<rect width="100%" height="100%" fill="${scene.ground}"/>`,
    ...dots,
    ...labels,
    ...legend,
    '</svg>',
  ].join('\n');
}

export function save(content: Blob, name: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** The same picture in pixels, twice as fine as the screen. */
export async function asPng(svg: string): Promise<Blob> {
  const picture = new Image();
  const address = URL.createObjectURL(new Blob([svg], { type: 'image/svg+xml' }));
  try {
    picture.src = address;
    await picture.decode();
    const canvas = document.createElement('canvas');
    canvas.width = picture.width * 2;
    canvas.height = picture.height * 2;
    canvas.getContext('2d')!.drawImage(picture, 0, 0, canvas.width, canvas.height);
    return await new Promise((resolve, reject) =>
      canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error('The browser made no picture.'))), 'image/png'),
    );
  } finally {
    URL.revokeObjectURL(address);
  }
}
