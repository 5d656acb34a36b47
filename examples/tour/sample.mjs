// The file that the tour copies when it is given none: the log of a made-up weather network, always the same.

const SIZE = 4 * 1024 * 1024

const SEED = 20260101

/** mulberry32. */
let state = SEED
function random() {
  state = (state + 0x6d2b79f5) | 0
  let t = Math.imul(state ^ (state >>> 15), 1 | state)
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
}
const between = (low, high) => low + random() * (high - low)
const pick = (list) => list[Math.floor(random() * list.length)]
const fixed = (value, digits) => Number(value.toFixed(digits))

const places = ['harbour', 'ridge', 'orchard', 'quarry', 'lighthouse', 'meadow', 'bridge', 'summit']
const newStations = () =>
  places.flatMap((place) =>
    [1, 2, 3].map((number) => ({
      name: `${place}-${number}`,
      celsius: between(-4, 18),
      hectopascal: between(985, 1030),
      battery: between(3.4, 4.2),
    })),
  )

function reading(station) {
  station.celsius += between(-0.15, 0.15)
  station.hectopascal += between(-0.2, 0.2)
  station.battery = Math.max(3.1, station.battery - between(0, 0.0004))
  return {
    type: 'reading',
    celsius: fixed(station.celsius, 2),
    humidity: fixed(between(35, 98), 1),
    hectopascal: fixed(station.hectopascal, 1),
    wind: { speed: fixed(random() ** 2 * 24, 1), from: Math.floor(between(0, 360)) },
  }
}

const events = [
  (station) => ({
    type: 'status',
    battery: fixed(station.battery, 3),
    uptime: Math.floor(between(60, 9e6)),
    rssi: -Math.floor(between(48, 97)),
  }),
  () => ({ type: 'upload', records: Math.floor(between(1, 400)), ms: fixed(between(12, 900), 1), ok: random() > 0.03 }),
  () => ({
    type: 'warning',
    code: pick(['gust', 'frost', 'sensor-drift', 'low-battery', 'clock-skew']),
    acknowledged: random() > 0.5,
  }),
]

/** Lines of JSON, 4 MiB of them at most. */
export function sample() {
  state = SEED
  const stations = newStations()
  const lines = []
  let time = Date.UTC(2026, 0, 1)
  for (let seq = 0, length = 0; ; seq++) {
    time += Math.floor(between(20, 1800))
    const station = pick(stations)
    const event = random() < 0.88 ? reading(station) : pick(events)(station)
    const line = `${JSON.stringify({ seq, time: new Date(time).toISOString(), station: station.name, ...event })}\n`
    length += line.length
    if (length > SIZE) return lines.join('')
    lines.push(line)
  }
}
