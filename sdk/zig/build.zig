const std = @import("std");

/// What a plugin's build.zig takes from here: b.dependency("prism", .{}), module "prism", and addPlugin.
pub fn build(b: *std.Build) void {
    const prism = b.addModule("prism", .{ .root_source_file = b.path("src/prism.zig") });

    const tests = b.addTest(.{ .root_module = b.createModule(.{
        .root_source_file = b.path("src/test.zig"),
        .target = b.standardTargetOptions(.{}),
        .optimize = b.standardOptimizeOption(.{}),
    }) });
    b.step("test", "Run the tests of the SDK").dependOn(&b.addRunArtifact(tests).step);

    const guest = addPlugin(b, .{ .name = "guest", .root_source_file = b.path("testdata/guest.zig"), .prism = prism });
    b.step("guest", "Build what the server's tests call").dependOn(&b.addInstallArtifact(guest, .{}).step);
}

pub const PluginOptions = struct {
    name: []const u8,
    root_source_file: std.Build.LazyPath,
    /// The module "prism" of this package.
    prism: *std.Build.Module,
    /// For programs that care more for their size: .release_small.
    optimize: std.lang.OptimizeMode = .release_fast,
};

/// A plugin: a module without an entry, that exports what prism.plugin says.
pub fn addPlugin(b: *std.Build, options: PluginOptions) *std.Build.Step.Compile {
    const plugin = b.addExecutable(.{ .name = options.name, .root_module = b.createModule(.{
        .root_source_file = options.root_source_file,
        .target = b.resolveTargetQuery(.{ .cpu_arch = .wasm32, .os_tag = .freestanding }),
        .optimize = options.optimize,
        .imports = &.{.{ .name = "prism", .module = options.prism }},
        // Function names are kept, but no lines: profiles and stack traces show them.
        .strip = false,
    }) });
    plugin.entry = .disabled;
    plugin.rdynamic = true;
    return plugin;
}
