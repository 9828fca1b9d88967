//! The serial line: UART0 of the LM3S6965, a PL011. The one place with `unsafe`: the device's registers are memory at fixed
//! addresses, as its data sheet says, and nobody else uses them.

#![allow(unsafe_code, reason = "registers are memory at fixed addresses")]

const CLOCK_GATES_1: *mut u32 = 0x400f_e104 as *mut u32;
const CLOCK_GATES_2: *mut u32 = 0x400f_e108 as *mut u32;
const PORT_A_ALTERNATE: *mut u32 = 0x4000_4420 as *mut u32;
const PORT_A_DIGITAL: *mut u32 = 0x4000_451c as *mut u32;
const DATA: *mut u32 = 0x4000_c000 as *mut u32;
const FLAGS: *mut u32 = 0x4000_c018 as *mut u32;
const DIVISOR: *mut u32 = 0x4000_c024 as *mut u32;
const DIVISOR_FRACTION: *mut u32 = 0x4000_c028 as *mut u32;
const LINE: *mut u32 = 0x4000_c02c as *mut u32;
const CONTROL: *mut u32 = 0x4000_c030 as *mut u32;

const RECEIVE_EMPTY: u32 = 1 << 4;
const TRANSMIT_FULL: u32 = 1 << 5;

fn read(register: *mut u32) -> u32 {
    // SAFETY: one of the registers above, aligned, and readable at any time.
    unsafe { register.read_volatile() }
}

fn write(register: *mut u32, value: u32) {
    // SAFETY: one of the registers above, aligned, and writable at any time. None of them has to do with memory that Rust knows.
    unsafe { register.write_volatile(value) }
}

/// The serial line.
pub struct Uart(());

impl Uart {
    /// Switches it on: 115,200 baud at 12 MHz, 8 data bits, with its queues.
    pub fn new() -> Self {
        write(CLOCK_GATES_1, read(CLOCK_GATES_1) | 1);
        write(CLOCK_GATES_2, read(CLOCK_GATES_2) | 1);
        write(PORT_A_ALTERNATE, read(PORT_A_ALTERNATE) | 3);
        write(PORT_A_DIGITAL, read(PORT_A_DIGITAL) | 3);
        write(CONTROL, 0);
        write(DIVISOR, 6);
        write(DIVISOR_FRACTION, 33);
        write(LINE, 0x70);
        write(CONTROL, 0x301);
        Self(())
    }

    /// The next octet, if one has come.
    pub fn receive(&mut self) -> Option<u8> {
        (read(FLAGS) & RECEIVE_EMPTY == 0).then(|| read(DATA) as u8)
    }

    /// Sends an octet, as soon as there is room for it.
    pub fn send(&mut self, octet: u8) {
        while read(FLAGS) & TRANSMIT_FULL != 0 {}
        write(DATA, octet.into());
    }
}
