// Stand-in for the file that makes Metal's vectors known outside of its namespace: what our kernels use of them.
#pragma once
using metal::uint2;
