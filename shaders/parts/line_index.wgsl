// The number of an invocation, where invocations are numbered along one line, WORKGROUP a workgroup. The line is folded
// into rows of num_workgroups.x workgroups. Those beyond the end have to return at once.
fn line_index(group: vec3u, groups: vec3u, lane: u32) -> u32 {
    return (group.y * groups.x + group.x) * WORKGROUP + lane;
}
