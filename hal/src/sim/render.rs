//! One scanned frame of a dish: samples of the three channels, and the truth.

use super::{
    Dish, Instrument, Truth, TruthCell,
    detect::Detectors,
    faults::{Fault, RowFaults},
    map::{BORDER, Map},
    oracle::oracle_p_senescent,
    paint::Canvas,
    random::{Purpose, Stream},
    scan::{FrameScan, RowBeam},
    scene::Scene,
};
use crate::ScanActual;

/// Full width at half maximum of a Gaussian over its standard deviation.
const FWHM: f64 = 2.354_820_045;
/// Blur in µm of what is out of focus.
const OUT_OF_FOCUS_UM: f64 = 0.9;

/// What to scan.
#[derive(Clone, Debug, PartialEq)]
pub struct RenderRequest {
    /// Index of the frame; each has a field of view of its own.
    pub frame: u64,
    /// Samples in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Edge of a pixel in µm.
    pub pixel_size_um: f64,
    /// Time a pixel in nanoseconds.
    pub dwell_ns: u64,
    /// Odd rows are scanned from right to left.
    pub bidirectional: bool,
    /// Faults of the detectors; the others do nothing here.
    pub faults: Vec<Fault>,
}

impl RenderRequest {
    /// Frame `frame` as the dish's own instrument scans it by default.
    pub fn of(dish: &Dish, frame: u64) -> Self {
        let instrument = &dish.instrument;
        Self {
            frame,
            width: instrument.width,
            height: instrument.height,
            pixel_size_um: instrument.pixel_size_um,
            dwell_ns: instrument.dwell_ns,
            bidirectional: true,
            faults: Vec::new(),
        }
    }

    /// Frame `frame` as a board delivers it that achieved `actual`; `dwell_ns` as asked for when the
    /// board does not say.
    pub fn of_scan(dish: &Dish, actual: &ScanActual, frame: u64) -> Self {
        Self {
            frame,
            width: actual.width,
            height: actual.height,
            pixel_size_um: actual.pixel_size_um,
            dwell_ns: actual.dwell_ns.unwrap_or(dish.instrument.dwell_ns),
            bidirectional: actual.bidirectional,
            faults: Vec::new(),
        }
    }
}

/// A scanned frame.
#[derive(Clone, Debug, PartialEq)]
pub struct RenderedFrame {
    /// SRS, TPEF and TRANS: rows × width each, all rows in image order, left to right. A board that
    /// scans in both directions delivers odd rows the other way round.
    pub channels: [Vec<u16>; 3],
    /// What is really there, pixel for pixel.
    pub truth: Truth,
}

/// Scans a frame of `dish`. The same dish and request give the same frame on every machine.
pub fn render(dish: &Dish, request: &RenderRequest) -> RenderedFrame {
    let RenderRequest {
        frame,
        width,
        height,
        pixel_size_um: pixel_um,
        ..
    } = *request;
    let scene = Scene::new(
        dish,
        frame,
        f64::from(width) * pixel_um,
        f64::from(height) * pixel_um,
    );
    let texture = texture(dish.seed, frame, width, height, pixel_um);
    let canvas = Canvas::paint(&scene, dish.seed, frame, width, height, pixel_um, &texture);
    let line_ns = dish.instrument.line_period_ns(width, request.dwell_ns);
    let frame_min = line_ns as f64 * f64::from(height) / 60e9;
    let scan = FrameScan::new(
        &dish.instrument,
        dish.seed,
        frame,
        height,
        pixel_um,
        frame_min,
        request.bidirectional,
    );
    let (owner, structures) = (canvas.owner.clone(), canvas.structures.clone());
    let first = RowFaults::of(&request.faults, frame, 0, height);
    // A fault is on the side of the field's own error: the two never cancel.
    let defocus_um = scan.defocus_um + first.defocus_um.copysign(scan.defocus_um);
    let image = Image::of(canvas, &dish.instrument, defocus_um);
    let mut rows = Rows::new(dish, request, image);
    let samples = width as usize * height as usize;
    let mut channels = [vec![0; samples], vec![0; samples], vec![0; samples]];
    let mut truth = Truth {
        width,
        height,
        labels: vec![0; samples],
        structures: vec![0; samples],
        cells: Vec::new(),
    };
    for row in 0..height {
        let beam = scan.row(row);
        let from = row as usize * width as usize;
        let range = from..from + width as usize;
        let [srs, tpef, trans] = &mut channels;
        rows.detect(
            row,
            beam,
            [
                &mut srs[range.clone()],
                &mut tpef[range.clone()],
                &mut trans[range.clone()],
            ],
        );
        look_up(&owner, beam, row, width, &mut truth.labels[range.clone()]);
        look_up(&structures, beam, row, width, &mut truth.structures[range]);
    }
    truth.cells = cells(&scene, &truth, pixel_um);
    RenderedFrame { channels, truth }
}

/// Relative inhomogeneity of cytoplasm.
fn texture(seed: u64, frame: u64, width: u32, height: u32, pixel_um: f64) -> Map {
    let mut map = Map::new(width, height, 0.0);
    let mut random = Stream::new(seed, Purpose::FrameOptics, frame, 1);
    let sigma = 0.45 / pixel_um;
    // The blur takes this factor from the amplitude of white noise.
    let amplitude = 0.07 * 2.0 * core::f64::consts::PI.sqrt() * sigma;
    for value in &mut map.values {
        *value = (amplitude * random.normal()).clamp(-4.0 * amplitude, 4.0 * amplitude) as f32;
    }
    map.blur(sigma);
    map
}

/// The sample as the optics show it.
struct Image {
    srs: Map,
    tpef: Map,
    trans: Map,
}

impl Image {
    fn of(canvas: Canvas, instrument: &Instrument, defocus_um: f64) -> Self {
        let pixel_um = canvas.pixel_um;
        // Another plane is in focus, a little of the light is spread.
        let spread = defocus_um / (1.5 * instrument.psf_axial_um);
        let psf_um = instrument.psf_lateral_um / FWHM * (1.0 + spread * spread).sqrt();
        let [mut sharp, mut soft] = canvas.layers;
        if canvas.any_out_of_focus {
            let sigma = OUT_OF_FOCUS_UM / pixel_um;
            for (sharp, soft) in [
                (&mut sharp.srs, &mut soft.srs),
                (&mut sharp.tpef, &mut soft.tpef),
                (&mut sharp.phase, &mut soft.phase),
            ] {
                soft.blur(sigma);
                for (sharp, soft) in sharp.values.iter_mut().zip(&soft.values) {
                    *sharp += soft;
                }
            }
        }
        sharp.srs.blur(psf_um / pixel_um);
        sharp.tpef.blur(psf_um / pixel_um);
        // Transmission is imaged through the condenser: less sharp.
        sharp.phase.blur(1.3 * psf_um / pixel_um);
        Self {
            srs: sharp.srs,
            tpef: sharp.tpef,
            trans: transmission(&sharp.phase, instrument, defocus_um, pixel_um),
        }
    }
}

/// Phase becomes contrast by defocus and by the condenser's obliquity, beside a little absorption.
fn transmission(phase: &Map, instrument: &Instrument, defocus_um: f64, pixel_um: f64) -> Map {
    let alpha = (instrument.trans.alpha_um2 + 0.06 * defocus_um) / (pixel_um * pixel_um);
    let (beta_x, beta_y) = instrument.trans.beta_um;
    let (alpha, beta_x, beta_y) = (
        alpha as f32,
        (0.5 * beta_x / pixel_um) as f32,
        (0.5 * beta_y / pixel_um) as f32,
    );
    let mut out = phase.clone();
    out.values.fill(1.0);
    let stride = phase.width;
    let field = &phase.values;
    for row in 1..phase.height - 1 {
        for column in 1..stride - 1 {
            let place = row * stride + column;
            let (left, right) = (field[place - 1], field[place + 1]);
            let (above, below) = (field[place - stride], field[place + stride]);
            let bend = left + right + above + below - 4.0 * field[place];
            let tilt = beta_x * (right - left) + beta_y * (below - above);
            let absorbed = 1.0 - 0.02 * field[place];
            // A limit without an edge: contrast of strong phase saturates.
            let contrast = alpha * bend + tilt;
            out.values[place] = absorbed * (1.0 + contrast / (1.0 + contrast.abs()));
        }
    }
    out
}

/// Takes the image through scanner and detectors.
struct Rows<'a> {
    detectors: Detectors<'a>,
    request: &'a RenderRequest,
    instrument: &'a Instrument,
    image: Image,
    signal: [Vec<f32>; 3],
    leak: Vec<f32>,
    gain: Vec<f32>,
}

impl<'a> Rows<'a> {
    fn new(dish: &'a Dish, request: &'a RenderRequest, image: Image) -> Self {
        let width = request.width as usize;
        Self {
            detectors: Detectors::new(&dish.instrument, dish.seed, request.frame, request.dwell_ns),
            request,
            instrument: &dish.instrument,
            image,
            signal: [vec![0.0; width], vec![0.0; width], vec![0.0; width]],
            leak: vec![0.0; width],
            gain: vec![0.0; width],
        }
    }

    fn detect(&mut self, row: u32, beam: RowBeam, out: [&mut [u16]; 3]) {
        self.shade(row);
        let y = row as usize;
        let (height, faults) = (self.request.height, &self.request.faults);
        let faults = RowFaults::of(faults, self.request.frame, row, height);
        let (cx, cy) = self.instrument.tpef.chromatic_px;
        let [srs, tpef, trans] = &mut self.signal;
        self.image.srs.sample_row(y, beam.dx, beam.dy, srs);
        self.image
            .tpef
            .sample_row(y, beam.dx + cx, beam.dy + cy, tpef);
        self.image
            .srs
            .sample_row(y, beam.dx + cx, beam.dy + cy, &mut self.leak);
        self.image.trans.sample_row(y, beam.dx, beam.dy, trans);
        let [out_srs, out_tpef, out_trans] = out;
        let detectors = &self.detectors;
        detectors.srs(row, beam, faults, srs, &self.gain, out_srs);
        let light = [tpef.as_slice(), &self.leak];
        detectors.tpef(row, beam, faults, light, &self.gain, out_tpef);
        detectors.trans(row, beam, faults, trans, &self.gain, out_trans);
        if faults.swapped {
            out_srs.swap_with_slice(out_tpef);
        }
    }

    /// Vignetting: the light of each pixel of a row.
    fn shade(&mut self, row: u32) {
        let half_x = 0.5 * f64::from(self.request.width);
        let half_y = 0.5 * f64::from(self.request.height);
        let dy = (f64::from(row) + 0.5 - half_y) / half_y;
        for (column, gain) in (0_u32..).zip(&mut self.gain) {
            let dx = (f64::from(column) + 0.5 - half_x) / half_x;
            *gain = (1.0 - self.instrument.vignetting * 0.5 * (dx * dx + dy * dy)) as f32;
        }
    }
}

/// A row of a mask where the beam really was: the nearest pixel.
fn look_up<T: Copy>(mask: &[T], beam: RowBeam, row: u32, width: u32, out: &mut [T]) {
    let stride = width as usize + 2 * BORDER;
    let rows = mask.len() / stride;
    let y = (f64::from(row) + BORDER as f64 + beam.dy).round().max(0.0) as usize;
    let x = (BORDER as f64 + beam.dx).round().max(0.0) as usize;
    let from = y.min(rows - 1) * stride + x.min(2 * BORDER);
    out.copy_from_slice(&mask[from..from + out.len()]);
}

/// The cells that are in the frame.
fn cells(scene: &Scene, truth: &Truth, pixel_um: f64) -> Vec<TruthCell> {
    #[derive(Clone, Copy)]
    struct Extent {
        pixels: f64,
        sum: (f64, f64),
        low: (u32, u32),
        high: (u32, u32),
    }
    let none = Extent {
        pixels: 0.0,
        sum: (0.0, 0.0),
        low: (u32::MAX, u32::MAX),
        high: (0, 0),
    };
    let mut extents = vec![none; scene.cells.len()];
    for (row, labels) in (0_u32..).zip(truth.labels.chunks_exact(truth.width as usize)) {
        for (column, &label) in (0_u32..).zip(labels) {
            let Some(extent) = usize::from(label)
                .checked_sub(1)
                .and_then(|index| extents.get_mut(index))
            else {
                continue;
            };
            extent.pixels += 1.0;
            extent.sum.0 += f64::from(column) + 0.5;
            extent.sum.1 += f64::from(row) + 0.5;
            extent.low = (extent.low.0.min(column), extent.low.1.min(row));
            extent.high = (extent.high.0.max(column), extent.high.1.max(row));
        }
    }
    (1_u16..)
        .zip(scene.cells.iter().zip(extents))
        .filter(|(_, (_, extent))| extent.pixels > 0.0)
        .map(|(index, (cell, extent))| TruthCell {
            index,
            class: cell.class,
            severity: cell.severity,
            phenotype: cell.phenotype.clone(),
            hard_case: cell.hard_case,
            oracle_p_senescent: oracle_p_senescent(&cell.phenotype),
            centroid_um: (
                extent.sum.0 / extent.pixels * pixel_um,
                extent.sum.1 / extent.pixels * pixel_um,
            ),
            area_um2: extent.pixels * pixel_um * pixel_um,
            bounds_px: (
                extent.low.0,
                extent.low.1,
                extent.high.0 - extent.low.0 + 1,
                extent.high.1 - extent.low.1 + 1,
            ),
            at_edge: extent.low.0 == 0
                || extent.low.1 == 0
                || extent.high.0 + 1 == truth.width
                || extent.high.1 + 1 == truth.height,
        })
        .collect()
}
