# What Ruby is started with (ruby -e): it reads a script, makes it ready, and has it serve one call, for which the host
# brings it back to where it first looks at the call's input.
#
# Each read of descriptor 0 that nothing precedes is a checkpoint: all scripts share what is before the first, and all
# calls of a script what is before the second. So what is required here takes no script any time.
require 'did_you_mean'
require 'error_highlight'
require 'json'
require 'stringio'

# Without a name, as what it defines is not the script's to see.
Class.new do
  # Standard input of a script that reads it itself: the first look at it is the beginning of a call.
  input = Class.new(StringIO) do
    def initialize(look)
      super(String.new)
      @look = look
    end

    %i[each each_byte each_char each_codepoint each_line eof eof? getbyte getc gets pread read read_nonblock readbyte
       readchar readline readlines readpartial size string sysread].each do |name|
      class_eval "def #{name}(...)\n  look\n  super\nend", __FILE__, __LINE__
    end

    private

    def look
      return unless @look
      look, @look = @look, nil
      self.string = look.call
    end
  end

  define_method(:initialize) do
    @main = TOPLEVEL_BINDING.receiver
    @input, @output, @log = STDIN, STDOUT, STDERR
    @failure = IO.for_fd(0, 'wb', autoclose: false)
    @reader = input
  end

  def read
    # Fewer bytes than asked for are the last: the end was seen, and the next look is another checkpoint.
    all = String.new
    until all.bytesize % 65536 > 0
      piece = @input.read(65536) or break
      all << piece
    end
    all.force_encoding(Encoding::UTF_8)
  end

  def write(io, data)
    data = data.b
    until data.empty?
      data = data.byteslice(io.syswrite(data)..)
    end
  end

  def leave(code)
    # Nothing is torn down: that takes longer than most calls.
    $stdout.flush
    @output.flush
    $stderr.flush
  ensure
    Process.exit!(code)
  end

  def failed(message, lines = [])
    write(@failure, [message, *lines].map(&:b).join("\n"))
    leave(1)
  end

  def raised(error)
    leave(error.status) if error.is_a?(SystemExit)
    failed("#{error.class}: #{error.message.scrub.lines.first&.chomp}", told(error))
  end

  def told(error)
    frames = error.backtrace || []
    own, others = frames.partition { |frame| frame.start_with?('-e:') }
    text =
      if others.empty? # as of a syntax error, whose message has the line
        error.detailed_message(highlight: false)
      else
        error.set_backtrace(others) if own.include?(frames.first)
        error.full_message(highlight: false, order: :top)
      end
    text.scrub.lines(chomp: true).grep_v(/\A\s+from -e:/) # the frames above the script's are this file's
  end

  def run(source, file)
    TOPLEVEL_BINDING.eval(source, file, 1)
  end

  def defines?(source, name)
    # Whether a script defines a method at its top level.
    body = RubyVM::AbstractSyntaxTree.parse(source).children.last or return false
    (body.type == :BLOCK ? body.children : [body]).any? { |node| node&.type == :DEFN && node.children.first == name }
  rescue SyntaxError
    false # who runs it sees it with its line
  end

  def check(handler, file)
    # A handler that cannot be called with one argument fails its upload.
    kinds = handler.parameters.map(&:first)
    least = kinds.count(:req) + kinds.count(:keyreq)
    return if kinds.count(:keyreq) == 0 && kinds.count(:req) <= 1 && kinds.intersect?(%i[req opt rest])
    line = handler.source_location&.last
    failed("#{file}, line #{line}: handle takes #{least} arguments and is called with one, the input; define handle(input)")
  end

  def encoded(answer)
    case answer
    when String then answer
    when nil then ''
    else JSON.generate(answer)
    end
  end

  def settle
    # What is alive becomes old, which a collection within a call need not look at.
    4.times { GC.start }
  end

  def reseed
    # The generator's state is a part of the image, so every call would draw the same numbers.
    srand
  end

  def rehearse
    # Does once what every script and call does, so that what is set up at the first use is everybody's.
    source = "def rehearsal(input, *more, key: nil)\n  {input => [1.5, nil]}.fetch(:such)\nend\nmethod(:rehearsal)\n"
    defines?(source, :rehearsal)
    handler = run(source, 'rehearsal')
    check(handler, 'rehearsal')
    encoded(JSON.parse('{"file": "rehearsal", "config": {"key": [1.5, null]}}'))
    begin
      handler.call(String.new)
    rescue KeyError => error
      told(error)
    end
    begin
      run('(', 'rehearsal')
    rescue SyntaxError => error
      told(error)
    end
    handler.owner.send(:remove_method, :rehearsal)
    reseed
    ENV.update({})
  end

  def serve
    RubyVM.keep_script_lines = true # for tracebacks, which show them
    rehearse
    settle
    header, source = read.b.split("\n", 2)
    header = JSON.parse(header)
    source.force_encoding(Encoding::UTF_8)
    file = header['file']
    ENV.update(header['config'])
    begin
      if defines?(source, :handle)
        # What is printed is the log's, since the answer is what is returned. The script is loaded rather than run:
        # what it does as a program is not for here.
        Object.send(:remove_const, :STDOUT)
        Object.const_set(:STDOUT, @log)
        $stdout = @log
        run(source, file)
        handler = @main.method(:handle)
      else
        $0 = file
        $stdin = @reader.new(lambda do
          settle
          read.tap { reseed }
        end)
        Object.send(:remove_const, :STDIN)
        Object.const_set(:STDIN, $stdin)
        run(source, file)
        leave(0)
      end
    rescue Exception => error
      raised(error)
    end
    check(handler, file)
    header = source = nil
    settle
    input = read
    begin
      reseed
      answer = encoded(handler.call(input))
    rescue Exception => error
      raised(error)
    end
    write(@output, answer)
    leave(0)
  end
end.new.serve
