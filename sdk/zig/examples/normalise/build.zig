const std = @import("std");
const sdk = @import("prism");

pub fn build(b: *std.Build) void {
    const prism = b.dependency("prism", .{}).module("prism");
    const root = b.path("src/main.zig");
    b.installArtifact(sdk.addPlugin(b, .{ .name = "normalise", .root_source_file = root, .prism = prism }));

    const tests = b.addTest(.{ .root_module = b.createModule(.{
        .root_source_file = b.path("src/test.zig"),
        .target = b.standardTargetOptions(.{}),
        .imports = &.{.{ .name = "prism", .module = prism }},
    }) });
    const run = b.addRunArtifact(tests);
    // Which reads messages that are kept elsewhere.
    run.setCwd(b.path("."));
    b.step("test", "Run the tests").dependOn(&run.step);
}
