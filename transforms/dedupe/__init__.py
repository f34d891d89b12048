"""Finds exact and near-duplicates among the records of a run and of earlier corpora.

The algorithm, step by step:

1. Sketch (`sketch`, `keys`): each record gets an exact key, a 16-byte digest of its normalised
   prompt and completion, and a set of shingles: hashes of all runs of five tokens.
2. Exact duplicates (`exact`): of the records with one key, the best-ranked is kept. Records that
   were published before rank first, then the order of ids decides.
3. Signature (`signature`): 120 MinHash values of the shingles, in 20 bands of six.
4. Candidates (`candidates`): two records that share a band are compared, unless too many share it.
5. Exact check (`similarity`): the Jaccard similarity of the whole sets of shingles must reach the
   threshold, so a candidate by chance costs a comparison and removes no record.
6. Greedy choice (`clusters`): in order of rank, a record is kept unless it is similar to a better
   one that is kept. So every removed record is similar to a kept one.

`deduplicate` wires these steps in Beam; `index` and `sources` add the records of earlier corpora.
"""
