// What a page holds: a model as plain data. `src/export/page/model.rs` writes it, the other modules read it.

/**
 * @typedef {import("./player.js").Program} Program
 *
 * @typedef {object} Model
 * @property {number} format the version of this description
 * @property {string} name such as `face-plus`
 * @property {string} version of the program that made the page
 * @property {[string, string][]} facts what is known of it, as names and texts for people
 * @property {?PhotoInput} photo of a model that sees photos
 * @property {?TextInput} text of a model that reads texts
 * @property {Target[]} targets in the order of the model's branches
 * @property {Record<string, string>} shaders WGSL by the path that programs name
 * @property {?Program} prediction outputs of a batch; of a page that predicts
 * @property {DetectorPlan[]} detector the network that finds faces, for photos of each size, in ascending order of
 *   their work; none if the model sees whole photos
 * @property {?TrainingPlan} training of a page that trains
 *
 * @typedef {object} PhotoInput
 * @property {number} width in pixels
 * @property {number} height in pixels
 * @property {?("whole" | "cropped" | "detect")} faces what photos show; with "cropped" and "detect" the model is asked
 *   about the faces in a photo
 * @property {{ side: number, right: number, down: number }} crop how much of a face's surroundings the model sees, in sides
 *   of the face's square
 *
 * @typedef {object} TextInput how texts become token ids: what `export onnx` writes as `*.tokens.json`
 * @property {number} length token ids a text: longer ones are cut at their end, shorter ones padded
 * @property {number} padding the id that pads
 * @property {"white_space" | "unicode_words"} tokens how texts are cut
 * @property {boolean} keep_negations
 * @property {number} negation_window tokens behind a negation whose stems are marked
 * @property {string[]} stop_words
 * @property {boolean} distinct whether a stem counts only where it stands first in a text
 * @property {Record<string, number>} ids of each stem
 * @property {{ text: string, tokens: number[] }[]} examples
 *
 * @typedef {object} Target
 * @property {string} name such as `age`
 * @property {string} branch its name is the first part of the names of its buffers: `BRANCH.targets`,
 *   `BRANCH.sample_weight`, `BRANCH.sums`
 * @property {string} output the buffer of the programs for prediction and evaluation that holds its outputs,
 *   (batch, outputs)
 * @property {string} bias the bias of its last layer, where training begins with a better one than 0
 * @property {number} outputs values a sample
 * @property {"number" | "binary" | "classes"} kind
 * @property {?string} unit of a number
 * @property {?[number, number]} range of a number: predictions beyond it are taken as the nearer end
 * @property {string[]} classes their names; of a binary target the second is the one whose logit is the output
 * @property {?[number, number]} mean_and_deviation by which a number is standardized
 * @property {boolean} standardize whether training takes them from its labels
 * @property {boolean} balance whether all classes count the same in the loss
 * @property {number} weight of its loss in the sum of all
 * @property {string} metric_name such as `age_mae` or `gender_accuracy`
 * @property {string} metric_title such as `age MAE`
 *
 * @typedef {object} DetectorPlan
 * @property {number} width of the photo that the network sees, in pixels
 * @property {number} height in pixels
 * @property {Program} program its input is `photos`, its outputs `cls_S.output`, `obj_S.output`, `bbox_S.output` and
 *   `kps_S.output` for the strides S of 8, 16 and 32
 *
 * @typedef {object} TrainingPlan
 * @property {Program} step one training step
 * @property {Program} evaluation sums of losses and metrics of a batch, and outputs
 * @property {boolean} has_photos whether drawn faces travel in the page
 * @property {number} epochs
 * @property {string} seed a decimal number of 64 bits
 * @property {"constant" | "cosine" | "one_cycle"} schedule of the learning rate
 * @property {number} warmup_epochs epochs, or a part of one, in which the learning rate rises linearly; 0: it does not
 * @property {?Plateau} plateau whether, and when, the learning rate is reduced
 * @property {number} patience epochs without a lower validation loss after which training ends; 0: it does not end early
 * @property {?number} ema the decay of an exponential moving average of the weights, which is validated and saved as the
 *   best weights; null: the weights themselves are
 * @property {?[number, number]} betas of Adam; null of other optimisers
 * @property {{ rotation_degrees: number, zoom: number, shift: number, flip_probability: number }} augment
 * @property {Parameter[]} parameters in the order of their numbers, which draw initial values
 * @property {string} config the model and its training as `config.toml` of a run folder has them, without `[data]`
 *
 * @typedef {object} Plateau when the learning rate is reduced because the validation loss no longer falls
 * @property {number} patience epochs without a lower validation loss, at least 1
 * @property {number} factor what the rate is multiplied by then
 *
 * @typedef {object} Parameter
 * @property {string} name of its buffer
 * @property {number[]} shape
 * @property {Init} init
 *
 * @typedef {"zeros" | "ones" | { glorot_uniform: { fan_in: number, fan_out: number } }
 *   | { rows: { rows: number, width: number } }} Init see `src/ops/parameter.rs`
 */

/** The version of the description that these modules read. */
export const FORMAT = 1;
