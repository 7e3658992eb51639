//! Chips that RADV compiles for, each as one product that is really sold.

/// A GPU in numbers.
#[derive(Debug)]
pub struct Chip {
    /// What `--chip` and `RADV_FORCE_FAMILY` call it.
    pub family: &'static str,
    /// The product whose clock and memory are meant.
    pub product: &'static str,
    /// Compute units.
    pub compute_units: f64,
    /// SIMD units in each. The driver's cycles are those of one of them.
    pub simds: f64,
    /// Lanes of a SIMD unit: 16 in GCN, 32 in RDNA.
    pub lanes: f64,
    /// The boost clock that the vendor states.
    pub mhz: f64,
    /// Bandwidth of its memory in GB/s, without caches.
    pub gigabytes_per_second: f64,
}

/// Compute units, boost clocks and memory as AMD states them (RX 6800 XT and 6800U also in the reviews of
/// custompc.com and notebookcheck.net); SIMD units from the ISA documents of Vega, RDNA 2 and RDNA 3. The
/// bandwidth of the two laptop chips is that of the fastest memory they take on 128 bits: DDR4-3200 and
/// LPDDR5-6400.
pub const CHIPS: [Chip; 4] = [
    Chip {
        family: "renoir",
        product: "Ryzen 7 4800U, Radeon Graphics, DDR4-3200",
        compute_units: 8.0,
        simds: 4.0,
        lanes: 16.0,
        mhz: 1750.0,
        gigabytes_per_second: 51.2,
    },
    Chip {
        family: "navi21",
        product: "Radeon RX 6800 XT",
        compute_units: 72.0,
        simds: 2.0,
        lanes: 32.0,
        mhz: 2250.0,
        gigabytes_per_second: 512.0,
    },
    Chip {
        family: "rembrandt",
        product: "Ryzen 7 6800U, Radeon 680M, LPDDR5-6400",
        compute_units: 12.0,
        simds: 2.0,
        lanes: 32.0,
        mhz: 2200.0,
        gigabytes_per_second: 102.4,
    },
    Chip {
        family: "gfx1100",
        product: "Radeon RX 7900 XTX",
        compute_units: 96.0,
        simds: 2.0,
        lanes: 32.0,
        mhz: 2500.0,
        gigabytes_per_second: 960.0,
    },
];

impl Chip {
    /// Floating-point operations a second: one fused multiply-add a lane and cycle. RDNA 3 can pair
    /// instructions and then does twice as many; that is not counted.
    pub fn flops(&self) -> f64 {
        self.compute_units * self.simds * self.lanes * 2.0 * self.mhz * 1e6
    }

    /// Subgroups of `size` that a SIMD unit holds at once. For RDNA the driver tells subgroups of 32,
    /// and two for one of 64.
    pub fn resident(&self, told: f64, size: f64) -> f64 {
        let is_rdna = self.lanes == 32.0;
        if is_rdna { told * 32.0 / size } else { told }
    }

    /// The time for `cycles` of every SIMD unit together.
    pub fn seconds(&self, cycles: f64) -> f64 {
        cycles / (self.compute_units * self.simds * self.mhz * 1e6)
    }
}
