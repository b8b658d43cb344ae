// Which versions run: the most frequent first, and what is beyond eight of them together.
const counts = new Map();
for (const device of data.filter((device) => device.entityName)) {
  const version = device.Updated || device.Firmware || 'not told';
  counts.set(version, (counts.get(version) || 0) + 1);
}
const sorted = [...counts].sort((a, b) => b[1] - a[1]);
const others = sorted.slice(8).reduce((sum, [, number]) => sum + number, 0);
const bars = sorted.slice(0, 8).map(([version, number], index) => [version, number, index ? '#90caf9' : '#1976d2']);
if (others) bars.push(['others', others, FAINT]);
