//! Who is drawn: the label, what it does to a face, and everything that has nothing to do with it.

use super::brush::{Rgb, blend, mix, ramp, shade};
use crate::data::labels::utkface::{FaceLabel, Gender};
use crate::rng::Generator;

/// The oldest face; the youngest is 1.
pub const OLDEST: u32 = 90;

const SKINS: [Rgb; 5] =
    [[0.99, 0.86, 0.78], [0.94, 0.76, 0.63], [0.82, 0.62, 0.47], [0.62, 0.42, 0.30], [0.45, 0.28, 0.19]];
const HAIRS: [Rgb; 9] = [
    [0.10, 0.08, 0.08],
    [0.17, 0.11, 0.08],
    [0.27, 0.17, 0.11],
    [0.40, 0.25, 0.15],
    [0.52, 0.25, 0.12],
    [0.68, 0.36, 0.18],
    [0.75, 0.57, 0.33],
    [0.88, 0.74, 0.50],
    [0.93, 0.87, 0.75],
];
const IRISES: [Rgb; 5] =
    [[0.24, 0.14, 0.08], [0.36, 0.22, 0.11], [0.42, 0.40, 0.18], [0.25, 0.45, 0.62], [0.35, 0.52, 0.42]];
const LIPSTICKS: [Rgb; 4] = [[0.80, 0.13, 0.20], [0.86, 0.35, 0.45], [0.58, 0.14, 0.26], [0.88, 0.40, 0.33]];

/// How the hair is worn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum HairStyle {
    /// Close to the skull.
    Cropped,
    /// Short, combed to one side.
    Short,
    /// Short, standing up.
    Spiky,
    /// A crown of curls.
    Curly,
    /// Drawn back tightly, with a knot on top.
    Bun,
    /// To the jaw.
    Bob,
    /// Past the shoulders.
    Long,
    /// A tail at either side.
    Pigtails,
}

/// What grows on cheeks and chin.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Beard {
    /// Nothing.
    None,
    /// A shadow.
    Stubble,
    /// On the upper lip only.
    Moustache,
    /// Around the mouth.
    Goatee,
    /// From ear to ear.
    Full,
}

/// All that is known of a face before it is drawn. Lengths are in head units: a cheek is about 1
/// from the middle of the face.
#[derive(Debug, Clone)]
pub struct Person {
    /// In years.
    pub age: f32,
    /// Whether the label says so.
    pub female: bool,
    /// 1 at birth, 0 when grown up.
    pub youth: f32,
    /// 0 at 20, 1 at the oldest.
    pub wear: f32,
    /// Lit skin.
    pub skin: Rgb,
    /// Lines and shadows of the skin.
    pub crease: Rgb,
    /// Hair of the head.
    pub hair: Rgb,
    /// Brows and beard.
    pub brow: Rgb,
    /// Share of grey hairs.
    pub grey: f32,
    /// Ring of the eye.
    pub iris: Rgb,
    /// Lips.
    pub lips: Rgb,
    /// How the hair is worn.
    pub style: HairStyle,
    /// Fringe over the forehead.
    pub fringe: bool,
    /// Side of the parting: -1 or 1.
    pub parting: f32,
    /// Hair lost on top, 0..=1.
    pub bald: f32,
    /// What grows on cheeks and chin.
    pub beard: Beard,
    /// Strength of eye make-up, 0..=1.
    pub make_up: f32,
    /// Length of the lashes, 0..=1.
    pub lashes: f32,
    /// Half the thickness of a brow.
    pub brow_thickness: f32,
    /// Narrow 0, broad 1.
    pub jaw: f32,
    /// Thickness of the lips.
    pub lip: f32,
    /// Earrings, a bow or a hair slide.
    pub ornament: Option<Rgb>,
    /// Frames of the glasses.
    pub glasses: Option<Rgb>,
    /// Freckles: a distraction that every age may have.
    pub freckles: bool,
    /// Corners of the mouth: down at -1, up at 1.
    pub smile: f32,
    /// How far the mouth is open, 0..=1.
    pub open: f32,
    /// One number a feature, standard normal: individual proportions.
    pub quirks: [f32; 12],
}

/// Draws a colour by chance: bright ones and dull ones.
pub fn any_colour(random: &mut Generator) -> Rgb {
    let value = random.uniform(0.15, 0.95);
    let tint = random.uniform(0.1, 0.7);
    let pure = [random.unit(), random.unit(), random.unit()];
    pure.map(|channel| mix(value, channel, tint))
}

fn chance(random: &mut Generator, probability: f32) -> bool {
    random.unit() < probability
}

impl Person {
    /// Draws a label and a face that goes with it.
    pub fn draw(random: &mut Generator) -> (FaceLabel, Self) {
        let age_years = 1 + random.below(OLDEST);
        let female = chance(random, 0.5);
        let gender = if female { Gender::Female } else { Gender::Male };
        (FaceLabel { age: age_years, gender, race: 0 }, Self::new(age_years as f32, female, random))
    }

    fn new(age: f32, female: bool, random: &mut Generator) -> Self {
        let youth = (1.0 - ramp(1.0, 21.0, age)).powf(1.1);
        let wear = ramp(20.0, OLDEST as f32, age);
        let adult = age >= 17.0;
        let tone = random.unit() * 3.999;
        let warmth = random.uniform(-0.03, 0.03);
        let [r, g, b] = blend(SKINS[tone as usize], SKINS[tone as usize + 1], tone.fract());
        let skin = [r + warmth, g, b - warmth];
        let crease = shade([r * 0.52, g * 0.40, b * 0.37], 1.0);
        let natural = HAIRS[random.below(9) as usize];
        // Some of the old dye their hair, and some of the young dye it silver.
        let dyed = chance(random, 0.22);
        let years = ramp(32.0, 80.0, age + 9.0 * random.normal());
        let grey = match (dyed, random.unit() < 0.6) {
            (false, _) => years,
            (true, true) => 0.05,
            (true, false) => 1.0,
        };
        let white = random.uniform(0.72, 0.92);
        let hair = blend(natural, [white, white, white * 0.98], grey);
        let brow_base = blend(shade(natural, 0.75), shade(skin, 0.35), 0.3);
        let grey_brow = ramp(45.0, 90.0, age + 6.0 * random.normal());
        let lipstick = female && adult && chance(random, 0.6);
        let rose = blend(shade(skin, 0.85), [0.80, 0.36, 0.36], if female { 0.55 } else { 0.25 });
        let stick = LIPSTICKS[random.below(4) as usize];
        let lips = if lipstick { blend(rose, stick, 0.8) } else { blend(rose, skin, 0.3 * wear) };
        let ornaments = match (female, adult) {
            (false, _) => 0.03,
            (true, true) => 0.5,
            (true, false) => 0.8,
        };
        let ornamented = chance(random, ornaments);
        let ornament_colour = any_colour(random);
        let glasses = chance(random, 0.18).then(|| shade(any_colour(random), 0.7));
        let grown_lip = if female { 0.125 } else { 0.085 };
        let lip = mix(grown_lip, 0.095, youth) * (1.0 - 0.55 * wear) * (1.0 + 0.08 * random.normal());
        let grown_brow = if female { 0.036 } else { 0.080 };
        let child_brow = if female { 0.027 } else { 0.066 };
        let balding = !female && chance(random, 0.7);
        let balding_speed = random.uniform(0.6, 1.4);
        Self {
            age,
            female,
            youth,
            wear,
            skin,
            crease,
            hair,
            brow: blend(brow_base, [0.80, 0.80, 0.79], 0.8 * grey_brow),
            grey,
            iris: IRISES[random.below(5) as usize],
            lips,
            style: hair_style(female, age, random),
            fringe: chance(random, if female { 0.4 } else { 0.25 }) && age < 75.0,
            parting: if chance(random, 0.5) { 1.0 } else { -1.0 },
            bald: if balding { ramp(22.0, 85.0, age) * balding_speed } else { 0.25 * wear },
            beard: if female || age < 18.0 { Beard::None } else { beard(random) },
            make_up: if female && adult && chance(random, 0.65) { random.uniform(0.5, 1.0) } else { 0.0 },
            lashes: if female { random.uniform(0.65, 1.0) } else { random.uniform(0.0, 0.15) },
            brow_thickness: mix(grown_brow, child_brow, youth) * (1.0 + 0.13 * random.normal()),
            jaw: (if female { 0.15 } else { 0.85 } + 0.18 * random.normal()).clamp(0.0, 1.0),
            lip,
            ornament: ornamented.then_some(ornament_colour),
            glasses,
            freckles: chance(random, 0.12),
            smile: random.uniform(-0.25, 1.0),
            open: if chance(random, 0.35) { random.uniform(0.3, 1.0) } else { 0.0 },
            quirks: std::array::from_fn(|_| random.normal().clamp(-2.0, 2.0)),
        }
    }
}

fn hair_style(female: bool, age: f32, random: &mut Generator) -> HairStyle {
    use HairStyle::{Bob, Bun, Cropped, Curly, Long, Pigtails, Short, Spiky};
    let styles: [HairStyle; 10] = match (female, age >= 17.0) {
        (true, false) if age < 3.0 => {
            [Short, Short, Short, Cropped, Bob, Bob, Pigtails, Pigtails, Pigtails, Curly]
        }
        (true, true) => [Long, Long, Long, Long, Bob, Bob, Bob, Bun, Curly, Short],
        (true, false) => [Long, Long, Long, Pigtails, Pigtails, Pigtails, Bob, Bob, Bun, Curly],
        (false, true) => [Short, Short, Short, Short, Cropped, Cropped, Cropped, Spiky, Curly, Long],
        (false, false) => [Short, Short, Short, Short, Spiky, Spiky, Spiky, Cropped, Cropped, Curly],
    };
    styles[random.below(10) as usize]
}

fn beard(random: &mut Generator) -> Beard {
    match random.unit() {
        share if share < 0.28 => Beard::None,
        share if share < 0.58 => Beard::Stubble,
        share if share < 0.70 => Beard::Moustache,
        share if share < 0.80 => Beard::Goatee,
        _ => Beard::Full,
    }
}
