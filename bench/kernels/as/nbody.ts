// The orbits of the giant planets around the sun, a hundredth of a day a step. Units are astronomical units,
// years and masses of the sun over 4 pi squared; positions and speeds are those of the program "n-body" of
// The Computer Language Benchmarks Game, with whose energies the results are compared.

const dayPerYear: f64 = 365.24;
const sunMass: f64 = 4 * Math.PI * Math.PI;

class Body {
  constructor(
    public x: f64, public y: f64, public z: f64,
    public vx: f64, public vy: f64, public vz: f64,
    public mass: f64,
  ) {
    this.vx *= dayPerYear;
    this.vy *= dayPerYear;
    this.vz *= dayPerYear;
    this.mass *= sunMass;
  }
}

function solarSystem(): StaticArray<Body> {
  const bodies: StaticArray<Body> = [
    new Body(0, 0, 0, 0, 0, 0, 1),
    new Body(
      4.84143144246472090e+00, -1.16032004402742839e+00, -1.03622044471123109e-01,
      1.66007664274403694e-03, 7.69901118419740425e-03, -6.90460016972063023e-05,
      9.54791938424326609e-04,
    ),
    new Body(
      8.34336671824457987e+00, 4.12479856412430479e+00, -4.03523417114321381e-01,
      -2.76742510726411510e-03, 4.99852801234917238e-03, 2.30417297573763929e-05,
      2.85885980666130812e-04,
    ),
    new Body(
      1.28943695621391310e+01, -1.51111514016986312e+01, -2.23307578892655734e-01,
      2.96460137564761618e-03, 2.37847173959480950e-03, -2.96589568540237556e-05,
      4.36624404335156298e-05,
    ),
    new Body(
      1.53796971148509165e+01, -2.59193146099879641e+01, 1.79258772950371181e-01,
      2.68067772490389322e-03, 1.62824170038242295e-03, -9.51592254519715870e-05,
      5.15138902046611451e-05,
    ),
  ];
  // The sun moves so that the whole does not.
  const sun = bodies[0];
  for (let i = 1; i < bodies.length; i++) {
    const body = bodies[i];
    sun.vx -= body.vx * body.mass / sunMass;
    sun.vy -= body.vy * body.mass / sunMass;
    sun.vz -= body.vz * body.mass / sunMass;
  }
  return bodies;
}

function advance(bodies: StaticArray<Body>, dt: f64): void {
  for (let i = 0; i < bodies.length; i++) {
    const a = bodies[i];
    for (let j = i + 1; j < bodies.length; j++) {
      const b = bodies[j];
      const dx = a.x - b.x, dy = a.y - b.y, dz = a.z - b.z;
      const squared = dx * dx + dy * dy + dz * dz;
      const pull = dt / (squared * Math.sqrt(squared));
      a.vx -= dx * b.mass * pull;
      a.vy -= dy * b.mass * pull;
      a.vz -= dz * b.mass * pull;
      b.vx += dx * a.mass * pull;
      b.vy += dy * a.mass * pull;
      b.vz += dz * a.mass * pull;
    }
  }
  for (let i = 0; i < bodies.length; i++) {
    const body = bodies[i];
    body.x += dt * body.vx;
    body.y += dt * body.vy;
    body.z += dt * body.vz;
  }
}

function energy(bodies: StaticArray<Body>): f64 {
  let sum: f64 = 0;
  for (let i = 0; i < bodies.length; i++) {
    const a = bodies[i];
    sum += 0.5 * a.mass * (a.vx * a.vx + a.vy * a.vy + a.vz * a.vz);
    for (let j = i + 1; j < bodies.length; j++) {
      const b = bodies[j];
      const dx = a.x - b.x, dy = a.y - b.y, dz = a.z - b.z;
      sum -= a.mass * b.mass / Math.sqrt(dx * dx + dy * dy + dz * dz);
    }
  }
  return sum;
}

/** nbody makes n steps and returns the energy, in billionths. */
export function nbody(n: i32): i32 {
  const bodies = solarSystem();
  for (let i = 0; i < n; i++) {
    advance(bodies, 0.01);
  }
  return <i32>Math.round(energy(bodies) * 1e9);
}
