"""Triangles of the surface through the 256 ways in which the eight voxels of a cube can lie in a region.

A cube has a corner at each voxel centre; corner `4 z + 2 y + x` is bit `4 z + 2 y + x` of its configuration. The
surface crosses each edge between a voxel inside and one outside at its middle. Two tables are given:

- `pyradiomics_triangles`: the triangulation that PyRadiomics uses, found by asking its compiled routine for area and
  volume of all 256 single cubes at four spacings and searching the triangulation that gives them; a test asks again.
- `symmetric_triangles`: ambiguous faces always separate the voxels inside, so that the surface is closed; polygons are cut
  in the way that gives the largest area in a cubic voxel (the published IBSI values have that), the mean where several
  ways do. The same for every rotation and reflection of a region; used in `ibsi` mode.
"""

from __future__ import annotations

from functools import cache

import numpy as np

CORNERS = np.array([(k >> 2 & 1, k >> 1 & 1, k & 1) for k in range(8)], dtype=np.int64)
EDGES = [(a, b) for a in range(8) for b in range(a + 1, 8) if (a ^ b).bit_count() == 1]
MIDPOINTS = np.array([(CORNERS[a] + CORNERS[b]) / 2 for a, b in EDGES])
_EDGE_OF = {pair: i for i, (a, b) in enumerate(EDGES) for pair in ((a, b), (b, a))}

# One word per configuration: three hexadecimal digits per triangle, each an index of EDGES; "-" where there is none.
_PYRADIOMICS = (
    "- 012 043 243123 156 562052 043156 356436246 375 012375 475045 247275125 376136 762372032 476461041 476246 298 "
    "198018 043298 843983193 156298 698568058 043156298 984694564354 298375 198018375 475045298 475845985195 "
    "376136298 376698368038 476461041298 476698468 48a 01248a 8a3083 28a12a1a3 15648a 56205248a 8a3083156 "
    "8a3356836286 37548a 01237548a a758a5085 a758a5285125 37613648a 76237203248a 761a718a1081 8a7287276 9a4294 "
    "19a1a4014 9a3293023 9a3193 1569a4294 9a4694564054 9a3293023156 56935939a 9a4294375 19a1a4014375 29aa752a5025 "
    "19aa751a5 3761369a4294 03707606909a0a4 02909a0a7076061 9a7697 6b9 16b01bb920b2 0436b9 16bb92b24b431b3 5b9159 "
    "05bb920b2 43545b4b9491041 5b9359439249 7b9379965395 b927b2372032165 7b9479049965095 1652477b9279 7b9379139 "
    "b927b2372032 47bb914b1041 2477b9279 6b8268 16b01b0b8 843b836b3263023 6b8843683163 5b8582152 5b8058 "
    "0215b8584354 5b8584354 65326337b3b8238 37b03b0b8165 2650257b8478 1657b8478 b827b2372132 37b03b0b8 0217b8478 "
    "7b8478 8964866ba46a ba46b4164014289 8960866ba6a3063 6ba16a1a3289 ba45b4154489149 05bba40b4289 8910815ba35a "
    "2895ba35a 9658954853457ba 0341652897ba 9658950857ba 1652897ba 4893491397ba 0342897ba 8910817ba 2897ba "
    "ba46b4264 ba46b4164014 26bba32b3023 6ba16a1a3 5baa425a2152 05bba40b4 0215ba35a 5ba35a 5346542647ba 0341657ba "
    "2650257ba 1657ba 3421327ba 0347ba 0217ba 7ba 7ab 0127ab 0437ab 2431237ab 1567ab 5620527ab 0431567ab "
    "3564362467ab ab53a5 012ab53a5 4ab04b0b5 24aab52a5125 13aab61a6 3abb623b2032 b61ab14a1041 ab64a6246 2987ab "
    "1980187ab 0432987ab 8439831937ab 1562987ab 6985680587ab 0431562987ab 9846945643547ab 298ab53a5 198018ab53a5 "
    "4ab04b0b5298 9841944ab4b5145 13aab61a6298 ab63a6036698068 b61ab14a1041298 ab64a6698468 8b7487 0128b7487 "
    "08bb730b3 28bb732b3123 1568b7487 5620528b7487 08bb730b3156 b738b3283356236 8b5485345 0128b5485345 8b5085 "
    "8b5285125 8b6486346136 34838b3b6362032 08bb610b1 8b6286 9b7297274 19bb741b4014 b739b3293023 b739b3193 "
    "1569b7297274 5690599b7974094 b739b3293023156 5693599b7397 9b5534954294 534b549b4194014 29b02b0b5 9b5195 "
    "29b42b34b13b1b6 03469b 29b02bb610b1 69b 7a9679 01606707a0a9092 04a0a9096067073 6731634a9249 57a15a1a9 "
    "a927a2572052 a914a1041357 4a9249357 3a9965395 3a9392032165 4a9965495045 1654a9249 3a9139 3a9392032 a914a1041 "
    "4a9249 2677a8278 1677a8178018 2672730234a8 6731634a8 a827a2572152 7a8578058 0213574a8 3574a8 3a8538658268 "
    "3a8038165 2650254a8 1654a8 13aa821a2 3a8038 0214a8 4a8 896486467 674164014289 673963893083 673163289 "
    "574489549159 574054289 891081357 289357 965895485345 034165289 965895085 165289 489349139 034289 891081 289 "
    "674264 674164014 267273023 673163 742572152 574054 021357 357 534654264 034165 265025 165 342132 034 021 - "
)


@cache
def pyradiomics_triangles() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Triangles of all configurations in PyRadiomics' way.

    Returns:
        Vertices, shape (n, 3 corners, 3 axes), in voxels from the cube's first corner, outward normals by the order
        (p, q, r) such that the signed volume is minus p x q . r / 6; the configuration of each triangle, shape (n,); and
        the share with which it counts, shape (n,).
    """
    words = _PYRADIOMICS.split()
    triangles = [(c, [int(d, 16) for d in w[i : i + 3]]) for c, w in enumerate(words) if w != "-" for i in range(0, len(w), 3)]
    return MIDPOINTS[np.array([t for _, t in triangles])], np.array([c for c, _ in triangles]), np.ones(len(triangles))


@cache
def symmetric_triangles() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Triangles of all configurations in the way of `ibsi` mode; returned as `pyradiomics_triangles`."""
    triangles, configurations, shares = [], [], []
    for configuration in range(256):
        for loop in _loops(configuration):
            choices = _triangulations(tuple(loop))
            areas = [sum(_area(*triangle) for triangle in choice) for choice in choices]
            widest = [choice for choice, area in zip(choices, areas, strict=True) if area > max(areas) - 1e-9]
            for choice in widest:
                for triangle in choice:
                    triangles.append(MIDPOINTS[list(triangle)])
                    configurations.append(configuration)
                    shares.append(1 / len(widest))
    return np.array(triangles), np.array(configurations), np.array(shares)


@cache
def _area(*triangle: int) -> float:
    points = MIDPOINTS[list(triangle)]
    return float(np.linalg.norm(np.cross(points[1] - points[0], points[2] - points[0])) / 2)


@cache
def _triangulations(polygon: tuple[int, ...]) -> list[list[tuple[int, int, int]]]:
    """All ways to cut a polygon into triangles along its diagonals."""
    if len(polygon) < 3:
        return [[]]
    return [
        [*left, *right, (polygon[0], polygon[k], polygon[-1])]
        for k in range(1, len(polygon) - 1)
        for left in _triangulations(polygon[: k + 1])
        for right in _triangulations(polygon[k:])
    ]


def _faces() -> list[list[int]]:
    """Corners of the six faces, counter-clockwise as seen from outside."""
    faces = []
    for axis in range(3):
        first, second = (d for d in range(3) if d != axis)
        for side in (0, 1):
            quad = []
            for u, v in ((0, 0), (1, 0), (1, 1), (0, 1)):
                corner = [0, 0, 0]
                corner[axis], corner[first], corner[second] = side, u, v
                quad.append(4 * corner[0] + 2 * corner[1] + corner[2])
            points = CORNERS[quad]
            outward = np.zeros(3)
            outward[axis] = 2 * side - 1
            if np.cross(points[1] - points[0], points[2] - points[1]) @ outward < 0:
                quad.reverse()
            faces.append(quad)
    return faces


def _loops(configuration: int) -> list[list[int]]:
    """Closed polygons (lists of edges) of a configuration; on ambiguous faces the voxels inside are kept apart."""
    inside = [bool(configuration >> k & 1) for k in range(8)]
    following: dict[int, int] = {}
    for face in _faces():
        edges = [(face[i], face[(i + 1) % 4]) for i in range(4)]
        for i, (a, b) in enumerate(edges):
            if inside[a] and not inside[b]:
                entry = next(
                    edges[(i - k) % 4] for k in range(1, 4) if not inside[edges[(i - k) % 4][0]] and inside[edges[(i - k) % 4][1]]
                )
                following[_EDGE_OF[a, b]] = _EDGE_OF[entry]
    loops = []
    while following:
        loop = [min(following)]
        while (edge := following.pop(loop[-1])) != loop[0]:
            loop.append(edge)
        loops.append(loop)
    return loops
