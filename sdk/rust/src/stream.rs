use std::io;

use crate::host;

/// The input of the call in progress, read from its beginning. A handler has it already; this is for who
/// would rather read it in parts.
#[derive(Debug, Default)]
pub struct Input {
    read: usize,
}

impl Input {
    /// The input, of which nothing is read yet.
    pub fn new() -> Input {
        Input { read: 0 }
    }

    /// The length of the whole input in bytes. It fails outside a call.
    pub fn length(&self) -> io::Result<usize> {
        usize::try_from(host::input_len()).map_err(|_| refused())
    }

    /// What is left of it.
    pub(crate) fn whole(mut self) -> io::Result<Vec<u8>> {
        let mut input = vec![0; self.length()?];
        io::Read::read_exact(&mut self, &mut input)?;
        Ok(input)
    }
}

impl io::Read for Input {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let n = usize::try_from(host::input_read(to, self.read)).map_err(|_| refused())?;
        self.read += n;
        Ok(n)
    }
}

fn refused() -> io::Error {
    io::Error::new(
        io::ErrorKind::Other,
        "prism: the host refused to hand over the input; it is there only during a call",
    )
}

/// The output of the call in progress, to which what is written is added at once. What the handler returns
/// comes after it. Past the output limit the server ends the call.
///
/// Each write is a call of the host: wrap it in a [`BufWriter`](io::BufWriter) for many small ones.
#[derive(Debug, Default)]
pub struct Output(());

impl Output {
    /// The output.
    pub fn new() -> Output {
        Output(())
    }
}

impl io::Write for Output {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        if !from.is_empty() {
            host::output_write(from);
        }
        Ok(from.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
